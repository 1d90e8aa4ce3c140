"""E071x: tensors given to a network, folders and formats."""

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
    "E0712": Code(
        title="the network is too large for the format",
        cause="An ONNX file is one protobuf message, and such a message ends at 2 GB.",
        example="mbc export net.py --format onnx, with 600 million parameters",
        cure="Export a smaller network: `-D` sets its parameters.",
    ),
    "E0713": Code(
        title="not a manifest of mbc",
        cause="A folder was given where one that `mbc compile` made is expected, and its "
        "manifest.json is not what mbc writes.",
        example="mbc preprocess cat.png --for package/ -o x.npy",
        cure="Name a folder that `mbc compile` made, or compile again.",
    ),
    "E0714": Code(
        title="measurements that are not of the network",
        cause="`mbc inspect --profile` puts measured times beside predicted ones, layer by layer, "
        "and `--losses` what layers lose on codes. The file is not what `mbc profile --json` (or "
        "an executable) and `mbc quantize --json` print, or its layers are others: it is of "
        "another network, target or level.",
        example="mbc inspect net.py --target rpi4 --html net.html --profile native.json",
        cure="Measure what you inspect: the same network, target and options.",
    ),
}
