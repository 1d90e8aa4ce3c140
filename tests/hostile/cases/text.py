"""IR text that does not lex, parse or verify, and its constants."""

from safetensors.numpy import save

from tests.hostile.cases.case import Case


def graph(*lines: str, x: str = "f32[1,4,4,8]") -> str:
    """The text of a graph of these statements."""
    return "".join([f"graph @net(%x: {x}) {{\n", *(f"  {line}\n" for line in lines), "}\n"])


def read(name: str, content: str | bytes, options: str = "") -> Case:
    command = f"mbc compile net.mbc {options} --target arm64 -o out --emit header"
    return Case(f"text: {name}", " ".join(command.split()), {"net.mbc": content})


RELU = "%0 = relu(%x) : f32[1,4,4,8]"
DATA = "const @w : f32[1,1,8,8] = #0123456789abcdef"
CONV = "%0 = conv2d(%x, @w) : f32[1,4,4,8]"

CASES = (
    Case("text: no such file", "mbc opt net.mbc -o new.mbc"),
    Case("text: Python instead", "mbc opt tiny.py -o new.mbc"),
    read("empty", ""),
    read("not UTF-8", b"graph @net(%x: f32[1,4,4,8]) { // caf\xe9\n"),
    read("a stray character", graph(RELU + " ;", "return %0")),
    read("an open string", 'module { network = "net\n}\n' + graph(RELU, "return %0")),
    read("a missing bracket", graph("%0 = relu(%x : f32[1,4,4,8]", "return %0")),
    read("a graph that ends early", graph(RELU)),
    read("text behind the graph", graph(RELU, "return %0") + "graph @more"),
    read("an unknown op", graph("%0 = rellu(%x) : f32[1,4,4,8]", "return %0")),
    read("an undefined value", graph("%0 = relu(%y) : f32[1,4,4,8]", "return %0")),
    read("a value defined twice", graph(RELU, RELU, "return %0")),
    read("an unknown attribute", graph(
        "const @w : f32[1,1,8,8]", "%0 = conv2d(%x, @w) {grous=2} : f32[1,4,4,8]", "return %0")),
    read("an attribute of another kind", graph(
        "const @w : f32[1,1,8,8]", "%0 = conv2d(%x, @w) {stride=2} : f32[1,4,4,8]", "return %0")),
    read("another type than the op gives", graph("%0 = relu(%x) : f32[1,4,4,9]", "return %0")),
    read("an operand too few", graph("%0 = add(%x) : f32[1,4,4,8]", "return %0")),
    read("channels that are not there", graph("%0 = relu(%x[0:9]) : f32[1,4,4,9]", "return %0")),
    read("no return", graph("return")),
    read("a dynamic dimension", graph("return %x", x="f32[?,4,4,8]")),
    read("a dynamic dimension, as -1", graph("return %x", x="f32[-1,4,4,8]")),
    read("an extent of 0", graph("return %x", x="f32[1,0,4,8]")),
    read("a huge extent", graph("return %x", x="f32[1,4,4,99999999999]")),
    read("a huge tensor", graph("%0 = relu(%x) : f32[1,99999,99999,8]", "return %0",
                                x="f32[1,99999,99999,8]")),
    read("a name that commands a terminal", graph('const @"\x1b[2J" : f32[8]', "return %y")),
    read("outside the arena", graph("arena 64", RELU + " at 0", "return %0")),
    read("groups that do not divide", graph(
        "const @w : f32[1,1,2,8]", "%0 = conv2d(%x, @w) {groups=3} : f32[1,4,4,8]", "return %0")),
    read("a huge stride", graph(
        "const @w : f32[1,1,8,8]",
        "%0 = conv2d(%x, @w) {stride=(2147483647,1)} : f32[1,1,4,8]", "return %0")),
    read("several errors at once", graph(
        "%0 = rellu(%x) : f32[1,4,4,8]",
        "%1 = relu(%0) : f32[1,4,4,8]",
        "%2 = relu(%x) : f32[1,4,4,7]",
        "%3 = add(%x, %nowhere) : f32[1,4,4,8]",
        "%4 = relu(%x",
        "return %1")),
    read("a parameter", graph(RELU, "return %0"), "-D width=8"),
    read("no constants beside it", graph(DATA, CONV, "return %0")),
    Case("text: other constants beside it", "mbc opt net.mbc -o new.mbc", {
        "net.mbc": graph(DATA, CONV, "return %0"), "constants.safetensors": save({})}),
    Case("text: damaged constants beside it", "mbc opt net.mbc -o new.mbc", {
        "net.mbc": graph(DATA, CONV, "return %0"), "constants.safetensors": b"\0" * 20}),
    Case("text: no such pass", "mbc opt out/tiny.mbc -p fuse-activations -o new.mbc"),
)  # fmt: skip
