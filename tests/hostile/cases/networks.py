"""Networks in Python that are wrong, and parameters that do not fit them."""

from tests.hostile.cases.case import HEAD, Case, compiled, net

X = "x = nn.input(16, 16, 8)"
ONE = "@network\ndef one(nn: Net) -> Tensor:\n    return nn.input(4, 4, 4)\n\n"
SIZED = net(
    "x = nn.input(resolution, resolution, 3)",
    "for _ in range(4):",
    "    x = nn.conv(x, 8, 3, stride=2)",
    "return x",
    parameters="resolution: int = 64",
)

CASES = (
    # ---- the file ----
    compiled("syntax error", net(X, "return nn.relu(nn.conv(x, 8, 3)")),
    compiled("indentation", HEAD + "@network\ndef net(nn: Net) -> Tensor:\nreturn nn.input(4)\n"),
    compiled("no text at all", b"\x00\x01\x02\x03"),
    compiled("not UTF-8", net(X, "return nn.relu(x)").encode() + b"NAME = 'caf\xe9'\n"),
    Case("a syntax error next door", "mbc compile net.py --dump-ir=ir -o out",
         {"net.py": "from beside import x\n", "beside.py": "x = = 3\n"}),
    compiled("a nesting of hundreds", f"x = {'[' * 300}{']' * 300}\n"),
    compiled("words that command a terminal", "raise ValueError('\\x1b[2J\\nerror: \\u202e')\n"),
    compiled("out of memory", "x = bytearray(1 << 60)\n"),
    compiled("an exception at the top", HEAD + "WIDTH = 32 / 0\n"),
    compiled("an exception in the network", net(X, "return nn.conv(x, [8, 16][2], 3)")),
    compiled("an exception of its own", "class Odd(Exception):\n    pass\n\nraise Odd('no way')\n"),
    compiled("an exception without words", "raise ValueError\n"),
    compiled("it ends the program", "import sys\nsys.exit(0)\n"),
    compiled("endless recursion", net("def f():", "    f()", "f()")),
    compiled("a missing module", "import no_such_module\n"),
    compiled("no network", "def net(nn): ...\n"),
    compiled("an empty file", ""),
    compiled("two networks", HEAD + ONE + ONE.replace("one", "two")),
    compiled("another network", HEAD + ONE + ONE.replace("one", "two"), "--network three"),
    compiled("a nearby network", HEAD + ONE + ONE.replace("one", "two"), "--network tow"),
    Case("a folder", "mbc compile net.py -o out", {"net.py/": ""}),
    Case("no such file", "mbc compile tinny.py -o out"),
    # ---- what it returns ----
    compiled("nothing returned", net(X, "nn.relu(x)")),
    compiled("a number returned", net(X, "return 3")),
    compiled("an unknown annotation", net("return nn.input(4)", head=HEAD.replace("Net, ", ""))),
    # ---- parameters ----
    Case("no such parameter", "mbc compile tiny.py -D widht=8 -o out"),
    Case("a parameter of another type", "mbc compile tiny.py -D width=8.5 -o out"),
    Case("a number that is none", "mbc compile tiny.py -D width=nan -o out"),
    Case("a huge number", f"mbc compile tiny.py -D width={'9' * 5000} -o out"),
    Case("neither true nor false", "mbc compile tiny.py -D softmax=maybe -o out"),
    Case("a parameter without a value", "mbc compile tiny.py -D width -o out", status=2),
    Case("a parameter twice", "mbc compile tiny.py -D width=8 -D width=9 -o out", status=2),
    Case("batch 0", "mbc compile tiny.py --batch 0 -o out"),
    Case("batch many", "mbc compile tiny.py --batch many -o out", status=2),
    compiled("a width of 0", net("return nn.input(4, 4, w)", parameters="w: int = 4"), "-D w=0"),
    # ---- shapes ----
    compiled("channels that do not match", net(X, "return nn.add(x, nn.pointwise(x, 9))")),
    compiled("sizes that do not match", net(X, "return nn.concat(x, nn.max_pool(x, 2))")),
    compiled("groups of the input", net(X, "return nn.pointwise(x, 12, groups=3)")),
    compiled("groups of the output", net(X, "return nn.pointwise(x, 10, groups=4)")),
    compiled("groups of a shuffle", net(X, "return nn.channel_shuffle(x, 3)")),
    compiled("no groups", net(X, "return nn.pointwise(x, 8, groups=0)")),
    compiled("parts of a split", net(X, "return nn.split(x, sizes=(3, 4))")),
    compiled("a resolution of 0", SIZED, "-D resolution=0"),
    compiled("a resolution below 0", SIZED, "-D resolution=-32"),
    compiled("a resolution that is too small", SIZED, "-D resolution=16"),
    compiled("a dynamic dimension", net("return nn.input(None, None, 3)")),
    compiled("a dynamic dimension, as -1", net("return nn.input(-1, 16, 3)")),
    compiled("a dynamic dimension, as text", net("return nn.input('h', 'w', 3)")),
    compiled("a resolution out of bounds", SIZED, "-D resolution=1000000000"),
    compiled("a width out of bounds", net(X, "return nn.pointwise(x, 10**12)")),
    compiled("a dense layer of an image", net(X, "return nn.dense(x, 10)")),
    # ---- layers ----
    compiled("a misspelt layer", net(X, "return nn.depthwize(x)")),
    compiled("a misspelt keyword", net(X, "return nn.conv(x, 8, 3, strides=2)")),
    compiled("a layer without its kernel", net(X, "return nn.conv(x, 8)")),
    compiled("a layer of no tensor", net(X, "return nn.relu('x')")),
    compiled("half a channel", net(X, "return nn.conv(x, 8 * 0.75 + 0.5, 3)")),
    compiled("a name twice", net(X, "y = nn.pointwise(x, 8, name='a')",
                                 "return nn.pointwise(y, 8, name='a')")),
    compiled("a name that is none", net(X, "return nn.pointwise(x, 8, name='a b')")),
    compiled("parameters that are refused", net("nn.require(False, 'not so')", X, "return x")),
)  # fmt: skip
