"""Inputs from files: raw tensors in .npy, and photos as the papers' networks are shown them.

A photo is scaled until its short side is 256/224 of the resolution, cropped to the central square,
and mapped from 0…255 to -1…1: the usual ImageNet evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mbc.diag import error


def read_array(path: Path) -> np.ndarray:
    """The array of a .npy file as it stands; E0701 or E0704. Pickled objects are not loaded."""
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as problem:
        raise unreadable(path, problem) from None
    except (ValueError, MemoryError, OverflowError) as problem:
        raise error("E0704", f"{path} is no .npy file that mbc reads: {problem}") from None
    return array


def read_image(path: Path, height: int, width: int) -> np.ndarray:
    """A photo as f32[1,height,width,3] within -1…1; E0701 or E0705."""
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except UnidentifiedImageError:
        raise error(
            "E0705",
            f"{path} is in no image format that mbc reads",
            helps=["PNG, JPEG or PPM; a raw tensor's file ends in .npy"],
        ) from None
    except (SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise error("E0705", f"{path} is a damaged image: {problem}") from None
    except OSError as problem:
        if problem.errno is None:
            raise error("E0705", f"{path} is a damaged image: {problem}") from None
        raise unreadable(path, problem) from None
    pixels = np.asarray(crop(rgb, height, width), dtype=np.float32)
    return (pixels / np.float32(127.5) - np.float32(1))[np.newaxis]


def crop(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scaled and cropped about the centre; an image of exactly that size is left as it is."""
    if image.size == (width, height):
        return image
    scale = max(height / image.height, width / image.width) * 256 / 224
    scaled = (round(image.width * scale), round(image.height * scale))
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    resized = image.resize(scaled, Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + width, top + height))


def read_input(path: Path, shape: Sequence[int]) -> np.ndarray:
    """The tensor for an input of that shape: .npy raw, all else as an image (E0706 if the input
    takes none)."""
    if path.suffix == ".npy":
        return read_array(path)
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        raise error(
            "E0706",
            f"{path.name} is an image, the input has shape {list(shape)}",
            label="an image can stand for [1,h,w,3] only",
            helps=["give the raw tensor as a .npy file"],
        )
    return read_image(path, shape[1], shape[2])


def unreadable(path: Path, problem: OSError) -> Exception:
    """E0701 for an error of the operating system."""
    return error("E0701", f"cannot read {path}: {problem.strerror or problem}")
