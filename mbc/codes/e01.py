"""E010x: the command line; for `-D` itself see e01_params."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0101": Code(
        title="wrong use of the command line",
        cause="A command or an option does not exist, lacks its value, or got one that it does "
        "not take. The exit status is 2, as for other compilers.",
        example="mbc compile mobilenet_v1.py --tarket arm64",
        cure="`mbc COMMAND --help` lists the options of a command.",
    ),
    "E0102": Code(
        title="neither a network nor IR text",
        cause="mbc reads networks from `.py` files (a page of Python), models from `.onnx`, "
        "`.tflite` and `.pt2` files, and graphs from `.mbc` files (IR text); the file's name ends "
        "in something else.",
        example="mbc compile mobilenet_v1.h5",
        cure="Give such a file, or rename the file if that is what it holds.",
    ),
    "E0103": Code(
        title="an option that IR text or a model cannot take",
        cause="`-D`, `--batch` and `--network` set the parameters of a network in Python. A "
        "`.mbc`, `.onnx`, `.tflite` or `.pt2` file holds one graph. `--shape` sets symbolic "
        "dimensions of a model in ONNX, and nothing else has any.",
        example="mbc compile net.mbc -D alpha=0.5",
        cure="Write the `.mbc` file again from the `.py` file with the parameters you want: "
        "`mbc compile --dump-ir` writes it, `mbc opt` prints it. Export a model again, or set its "
        "symbolic dimensions with `--shape`.",
    ),
    "E0104": Code(
        title="no such example",
        cause="`mbc new` copies one of the networks that travel with mbc, and has none of that "
        "name.",
        example="mbc new mobilenet_v9.py",
        cure="`mbc new` without an argument lists the examples.",
    ),
    "E0105": Code(
        title="no such error code, or id of a remark",
        cause="`mbc explain` knows the codes and the ids of this version of mbc, and this is not "
        "among them.",
        example="mbc explain E9999",
        cure="Copy the code from between the brackets of `error[E…]`; `mbc explain` without an "
        "argument lists all.",
    ),
    "E0106": Code(
        title="options that do not go together",
        cause="Two options contradict each other, or one needs another that is missing.",
        example="mbc run net.py --stop-after fuse",
        cure="Leave out one of the two; the message names them.",
    ),
    "E0107": Code(
        title="unknown kind of artefact",
        cause="`--emit` takes the kinds of files that mbc can make, separated by commas, and one "
        "of the words is not among them.",
        example="mbc compile mobilenet_v1.py --emit exe,haeder",
        cure="Correct it; docs/cli.md has a table of the kinds.",
    ),
    "E0108": Code(
        title="not the address of an RPC tracker",
        cause="`--rpc` takes the host and the port of an RPC tracker, with a colon between; an "
        "IPv6 address stands in brackets.",
        example="mbc bench net.py --backend tvm --rpc 192.168.0.10",
        cure="Add the port: `--rpc 192.168.0.10:9190`, or `--rpc [fe80::1]:9190`.",
    ),
    "E0109": Code(
        title="a name that C or the system already uses",
        cause="`--name` begins the names of files, functions and macros: NET.h, libNET.a, NET_run. "
        "So it has to be an identifier, and neither a keyword of C or C++, nor the name of a "
        "header or a library of the system, which NET.h or libNET.a would be taken for.",
        example="mbc compile net.py --name math",
        cure="Use the name that the message suggests, or another one.",
    ),
}
