"""Read a network's input files: tensors in .npy files, photos, and names of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mbc.diag import error
from mbc.runtime.abi import IoSpec
from mbc.runtime.images import MODES, read_image, unreadable
from mbc.runtime.npy import is_npy, read_tensor
from mbc.runtime.preprocessing import Preprocessing


def read_input(path: Path, spec: IoSpec, how: Preprocessing) -> np.ndarray:
    """Read the tensor for an input.

    A .npy file holds it as it is; any other file is a photo. Raises the errors of `read_tensor` or
    of `read_photo`.
    """
    if path.suffix == ".npy" or is_npy(path):
        return read_tensor(path, spec.shape, spec.name, spec.element)
    return read_photo(path, spec, how)


def read_photo(path: Path, spec: IoSpec, how: Preprocessing) -> np.ndarray:
    """Read a photo as the tensor for an input.

    Raises E0706 unless the shape is [1,h,w,1] or [1,h,w,3], or with the channels first if they are,
    and the errors of `read_image`.
    """
    match spec.image_shape:
        case (1, height, width, channels) if channels in MODES:
            image = read_image(path, height, width, channels, how)
            return np.ascontiguousarray(image.transpose(0, 3, 1, 2)) if spec.planar else image
    colour, grey = ("[1,3,h,w]", "[1,1,h,w]") if spec.planar else ("[1,h,w,3]", "[1,h,w,1]")
    raise error(
        "E0706",
        f"{path.name} is an image, the input has shape {list(spec.shape)}",
        label=f"an image can stand for {colour} and, in grey, for {grey}",
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
