"""E061x: packages that mbc works without."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0610": Code(
        title="an optional package is not installed",
        cause="`mbc export` needs the Python package onnx, and `mbc bench --vs` needs the engines "
        "that it names. mbc itself does without them, so they come as extras.",
        example="mbc export mobilenet_v1.py --format onnx",
        cure="The message says what to install, such as `pip install 'mbc[onnx]'`.",
    ),
}
