"""Read a network's input files: tensors in .npy files, and photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mbc.diag import error
from mbc.runtime.abi import IoSpec
from mbc.runtime.images import MODES, read_image
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
