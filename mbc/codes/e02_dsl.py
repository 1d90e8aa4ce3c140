"""E021x and E022x: networks written in Python."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0210": Code(
        title="no network in the file",
        cause="The file ran, but defined no function decorated with @network.",
        example="def mobilenet(nn): ...",
        cure="Put `from mbc.frontends.dsl import network` at the top and @network above the "
        "function.",
    ),
    "E0211": Code(
        title="several networks in the file",
        cause="The file defines more than one network, and none was chosen.",
        example="mbc compile two_networks.py",
        cure="Choose one by its name: --network NAME.",
    ),
    "E0212": Code(
        title="no network of that name",
        cause="--network names none of the networks of the file.",
        example="mbc compile mobilenet_v1.py --network mobilenet",
        cure="The message lists the names; a network is called as its function is.",
    ),
    "E0213": Code(
        title="the file is not valid Python",
        cause="Python cannot parse the file, or a file that it imports.",
        example="x = nn.relu(nn.conv(x, 8, 3)",
        cure="Correct the line that the message shows, or the one before it.",
    ),
    "E0214": Code(
        title="the network's own code raised an exception",
        cause="A network is a Python program, and it is run. It raised, at the line shown.",
        example="x = nn.pointwise(x, WIDTHS[scale])  # KeyError: WIDTHS has no such scale",
        cure="Debug it like any Python program; docs/dsl.md lists the layers.",
    ),
    "E0215": Code(
        title="a function that cannot be a network",
        cause="@network decorates a function, and only once. The function must take the layers "
        "first, and then parameters that each have a type (int, float, bool, str or a Literal of "
        "one of them) and a default of that type. Its name becomes a name in C.",
        example="@network\ndef net(nn, *, alpha): ...",
        cure="Write `def net(nn: Net, *, alpha: float = 1.0) -> Tensor:`.",
    ),
    "E0216": Code(
        title="the network returns no tensor",
        cause="The function returned None, or something that no layer made. A dict's keys name "
        "the outputs, in C too.",
        example="@network\ndef net(nn: Net):\n    nn.relu(nn.input(8))",
        cure="Return a tensor, a tuple of tensors, or a dict of tensors by name.",
    ),
    "E0217": Code(
        title="a name is used twice",
        cause="Two layers were given the same name in the same scope, or two inputs. Parameters "
        "are loaded by name, so names must be unique.",
        example='nn.conv(x, 8, 3, name="a"); nn.conv(x, 8, 3, name="a")',
        cure='Rename one of them, or wrap each block in `with nn.scope(f"blocks.{i}"):`.',
    ),
    "E0218": Code(
        title="no such layer, an argument that it does not take, or an operator",
        cause="A layer or keyword does not exist, a tensor was expected and something else came, "
        "an integer is a float or too small, padding is neither 'same' nor one integer nor "
        "four, or an operator other than + was used on tensors.",
        example="nn.conv(x, 32 * 0.5, 3)",
        cure="Write int(32 * 0.5). The message says what was found and what is expected.",
    ),
    "E0219": Code(
        title="parameters that do not go together",
        cause="The network itself refused its parameters, with nn.require.",
        example="mbc compile shufflenet_v1.py -D groups=8 -D scale=0.25",
        cure="Follow the message, which is the network's own.",
    ),
    "E0220": Code(
        title="not a possible name",
        cause="Names of layers and scopes consist of letters, digits and underscores, with dots "
        "between parts; names of inputs are names in C.",
        example='nn.conv(x, 8, 3, name="conv 1")',
        cure='Write name="conv_1".',
    ),
}
