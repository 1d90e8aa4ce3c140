"""E011x: the parameters of a network, which `-D` and `--batch` set."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0110": Code(
        title="no such parameter",
        cause="`-D` names a parameter that the network's function does not declare.",
        example="mbc compile mobilenet_v1.py -D alhpa=0.5",
        cure="The message lists the parameters; each is a keyword of the function under @network.",
    ),
    "E0111": Code(
        title="a parameter of another type",
        cause="The value does not read as the type that the function declares: an integer, a "
        "number (finite), or true or false.",
        example="mbc compile mobilenet_v1.py -D resolution=160.5",
        cure="Give a value of that type; the message shows the default.",
    ),
    "E0112": Code(
        title="a parameter outside its choices",
        cause="The parameter is declared as a Literal, and the value is not among its choices.",
        example="mbc compile shufflenet_v1.py -D groups=5",
        cure="Take one of the values that the message lists.",
    ),
    "E0113": Code(
        title="a batch below 1",
        cause="Shapes are static, so a network is compiled for one batch size, at least 1.",
        example="mbc compile mobilenet_v1.py --batch 0",
        cure="Give --batch a positive integer, or leave it out for 1.",
    ),
}
