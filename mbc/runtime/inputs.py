"""Read a network's input files: tensors in .npy files, and photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mbc.diag import error
from mbc.ir.elements import F32, U8
from mbc.runtime.abi import IoSpec
from mbc.runtime.images import MODES, read_image
from mbc.runtime.normalisation import AS_THEY_ARE
from mbc.runtime.npy import is_npy, read_raw, read_tensor
from mbc.runtime.preprocessing import Preprocessing


def read_input(path: Path, spec: IoSpec, how: Preprocessing) -> np.ndarray:
    """Read the tensor for an input.

    A .npy file holds it as it is, and so does a .raw file the bytes of one; any other file is a
    photo. Raises the errors of `read_tensor`, `read_raw` or `read_photo`.
    """
    if path.suffix == ".raw" and spec.element is U8:
        return read_raw(path, spec.shape)
    if path.suffix == ".npy" or is_npy(path):
        return read_tensor(path, spec.shape, spec.name, spec.element)
    return read_photo(path, spec, how)


def read_photo(path: Path, spec: IoSpec, how: Preprocessing) -> np.ndarray:
    """Read a photo as the tensor for an input; of bytes it is cut and scaled alone.

    Raises E0706 unless the shape is [1,h,w,1] or [1,h,w,3], or with the channels first if they are,
    and the errors of `read_image`.
    """
    match spec.image_shape:
        case (1, height, width, channels) if channels in MODES:
            image = _as_read(spec, read_image(path, height, width, channels, _numbers(spec, how)))
            return np.ascontiguousarray(image.transpose(0, 3, 1, 2)) if spec.planar else image
    colour, grey = ("[1,3,h,w]", "[1,1,h,w]") if spec.planar else ("[1,h,w,3]", "[1,h,w,1]")
    raise error(
        "E0706",
        f"{path.name} is an image, the input has shape {list(spec.shape)}",
        label=f"an image can stand for {colour} and, in grey, for {grey}",
        helps=["give the raw tensor as a .npy file"],
    )


def _numbers(spec: IoSpec, how: Preprocessing) -> Preprocessing:
    """Leave it to a network that takes bytes to normalise them."""
    return how.normalising(AS_THEY_ARE) if spec.element is U8 else how


def _as_read(spec: IoSpec, image: np.ndarray) -> np.ndarray:
    """Round numbers between pixels to bytes, ties to even."""
    bytes: np.ndarray = image if spec.element is F32 else np.rint(image).astype(np.uint8)
    return bytes
