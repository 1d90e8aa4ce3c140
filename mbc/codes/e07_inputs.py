"""Codes for tensors given to a network."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0710": Code(
        title="an input tensor does not fit the network",
        cause="An input is missing, unknown, not numeric, or of another shape than declared.",
        example="`mbc run net.py --input x.npy` where x.npy holds [1,3,224,224]: NCHW",
        cure="Give one array per input, with exactly the declared shape. Layout is NHWC.",
    ),
    "E0711": Code(
        title="a constant has no data",
        cause="The IR text names its weights but carries none, and no weights were bound to it.",
        example="running a hand-written .mbc file whose constants have no `= #hash`",
        cure="Use a dump folder with its constants.safetensors, or compile the network itself.",
    ),
    "E0713": Code(
        title="no manifest",
        cause="A folder was given where one that `mbc compile` made is expected, and its "
        "manifest.json is not what mbc writes.",
        example="mbc preprocess cat.png --for package/ -o x.npy",
        cure="Name a folder that `mbc compile` made, or compile again.",
    ),
}
