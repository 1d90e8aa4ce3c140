"""Read a network's input files: tensors in .npy files, photos, and names of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mbc.diag import error
from mbc.ir.elements import F32, Scalar
from mbc.runtime.images import MODES, read_image, unreadable
from mbc.runtime.npy import is_npy, read_tensor
from mbc.runtime.preprocessing import Preprocessing


def read_input(
    path: Path,
    shape: Sequence[int],
    how: Preprocessing,
    name: str = "input",
    element: Scalar = F32,
) -> np.ndarray:
    """Read the tensor for an input of that name, shape and element.

    A .npy file holds it as it is; any other file is a photo. Raises the errors of `read_tensor` or
    of `read_photo`.
    """
    if path.suffix == ".npy" or is_npy(path):
        return read_tensor(path, tuple(shape), name, element)
    return read_photo(path, shape, how)


def read_photo(path: Path, shape: Sequence[int], how: Preprocessing) -> np.ndarray:
    """Read a photo as the tensor for an input of that shape.

    Raises E0706 unless the shape is [1,h,w,1] or [1,h,w,3], and the errors of `read_image`.
    """
    match tuple(shape):
        case (1, height, width, channels) if channels in MODES:
            return read_image(path, height, width, channels, how)
    raise error(
        "E0706",
        f"{path.name} is an image, the input has shape {list(shape)}",
        label="an image can stand for [1,h,w,3] and, in grey, for [1,h,w,1]",
        helps=["give the raw tensor as a .npy file"],
    )


def read_labels(path: Path) -> tuple[str, ...]:
    """Read names of classes, one a line; raises E0701, or E0709 if it is not UTF-8 text."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as problem:
        raise unreadable(path, problem) from None
    except UnicodeDecodeError as problem:
        raise error("E0709", f"{path} is not UTF-8 text: byte {problem.start}") from None
    return tuple(line.strip() for line in lines)


def check_labels(labels: Sequence[str], outputs: Sequence[Sequence[int]], path: Path) -> None:
    """Raise E0709 unless there is a name for each class, along the last axis of every output."""
    for classes in {shape[-1] for shape in outputs} - {len(labels)}:
        helps = ["the first line is class 0"]
        if len(labels) == classes + 1:
            helps = ["lists that begin with 'background' belong to networks with one more class"]
        message = f"{path} has {len(labels)} lines, the network {classes} classes"
        raise error("E0709", message, helps=helps)
