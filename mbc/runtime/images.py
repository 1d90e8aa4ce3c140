"""Read photos: files of many formats, rotated upright, cropped, scaled and normalised as
mbc/runtime/preprocessing.py says.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mbc.diag import MbcError, error, unreadable
from mbc.runtime.preprocessing import PRESETS, Preprocessing, Size, centre
from mbc.runtime.sampling import sampled

# What Pillow reads by itself: some of its other plugins start programs, or are rarely tested.
FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF", "WEBP", "TIFF")
MODES = {1: "L", 3: "RGB"}
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 2**26
SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")
DAMAGE = (
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
)


def read_image(
    path: Path, height: int, width: int, channels: int = 3, how: Preprocessing = PRESETS["plain"]
) -> np.ndarray:
    """Read a photo as f32[1,height,width,channels], of 1 or 3 channels.

    Raises E0106 (mean, std or resize do not fit), E0701 (unreadable), E0705 (damaged, or another
    format), E0708 (too large).
    """
    with _reading(path), Image.open(path, formats=FORMATS) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        plain = _plain(upright).convert(MODES[channels])
    return how.normalise(shown(plain, (width, height), how))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn Pillow's exceptions into E0701, E0705 or E0708, and silence its warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise error("E0708", f"{path} has more than {MAX_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise error(
            "E0705",
            f"{path} is not in an image format that mbc reads",
            helps=[f"{', '.join(FORMATS)}; a raw tensor's file ends in .npy"],
        ) from None
    except OSError as problem:
        known = problem.errno is not None  # Pillow's own have no number
        raise (unreadable if known else damaged)(path, problem) from None
    except DAMAGE as problem:
        raise damaged(path, problem) from None


def damaged(path: Path, problem: BaseException) -> MbcError:
    """Return E0705 with a decoder's message."""
    return error("E0705", f"{path} is a damaged image: {str(problem) or type(problem).__name__}")


def _plain(image: Image.Image) -> Image.Image:
    """Convert to eight bits a channel, over white where the image is transparent."""
    if image.mode in SIXTEEN_BITS:
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; give the tensor as .npy")
    if not image.has_transparency_data:
        return image
    seen = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)


def shown(image: Image.Image, net: Size, how: Preprocessing) -> np.ndarray:
    """Crop and scale an image to a network's size: f32[h,w,c], values divided by `range`.

    Raises E0106 if the scaled image is smaller than that, E0708 if it is too large.
    """
    if how.keeps(image.size, net):
        return _divided(image, how.range)
    whole = _checked(how, image.size, net)
    left, top = (centre(size, part) for size, part in zip(whole, net, strict=True))
    part = image.crop(how.box(image.size))
    if how.filter == "sampled":
        pixels = sampled(_pixels(part), whole[1], whole[0], how.range)
        return pixels[top : top + net[1], left : left + net[0]]
    resized = part.resize(whole, RESAMPLING[how.filter])
    return _divided(resized.crop((left, top, left + net[0], top + net[1])), how.range)


def _pixels(image: Image.Image) -> np.ndarray:
    """Return the pixels as u8[h,w,c]."""
    return np.asarray(image, np.uint8).reshape(image.height, image.width, -1)


def _divided(image: Image.Image, range: float) -> np.ndarray:
    values: np.ndarray = _pixels(image).astype(np.float32) / np.float32(range)
    return values


def _checked(how: Preprocessing, photo: Size, net: Size) -> Size:
    """Return width and height of the scaled photo.

    Raises E0106 if it is smaller than the network's input, E0708 if it is too large, as for a very
    long and narrow image.
    """
    whole = how.scaled(photo, net)
    if whole[0] < net[0] or whole[1] < net[1]:
        raise error(
            "E0106",
            f"a short side of {how.amount:g} leaves a photo of {whole[0]}x{whole[1]} "
            "(width x height)",
            label=f"the network needs {net[0]}x{net[1]}",
            helps=["give --resize a larger number, or stretch"],
        )
    if whole[0] * whole[1] > MAX_PIXELS:
        raise error("E0708", f"the photo would be scaled to {whole[0]}x{whole[1]} (width x height)")
    return whole
