"""E061x: packages that mbc works without, other engines among them."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0610": Code(
        title="an optional package is not installed",
        cause="`mbc export` and `.onnx` files need the Python package onnx, `.tflite` files need "
        "tflite, `.pt2` files need torch, `mbc bench --vs` needs the engines that it names, and "
        "`--backend tvm` needs TVM. mbc itself does without them, so they come as extras.",
        example="mbc export mobilenet_v1.py --format onnx",
        cure="The message says what to install, such as `pip install 'mbc[onnx]'`.",
    ),
    "E0611": Code(
        title="an engine cannot run the network",
        cause="An engine that `mbc bench --vs` or `mbc compare --with` names has refused the "
        "network's ONNX model, or has failed on it. The message repeats what it said.",
        example="mbc bench mobilenet_v1.py --batch 8 --vs ncnn",
        cure="Leave that engine out of `--vs`, or install another version of it.",
    ),
    "E0612": Code(
        title="an engine gives another answer",
        cause="Before `mbc bench` times engines it compares what they compute. Adding in another "
        "order changes the last digits; this difference is larger. Of integers at most one in "
        "1000 may differ.",
        example="mbc bench net.py --weights broken.safetensors --vs openvino",
        cure="Look for NaN or huge values in the weights. `mbc run --backend oracle` says whether "
        "mbc is right; if it is not, please report the network.",
    ),
    "E0613": Code(
        title="versions of TVM that do not go together",
        cause="`--backend tvm` is made for one release of apache-tvm and the releases of "
        "apache-tvm-ffi that share its structures in memory. pip takes the newest apache-tvm-ffi "
        "unless it is told not to, and with that TVM crashes in the middle of its work.",
        example="pip install --upgrade apache-tvm-ffi; mbc run net.py --backend tvm",
        cure="`pip install --force-reinstall 'mbc[tvm]'` installs the right pair.",
    ),
}
