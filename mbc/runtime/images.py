"""Photos as the networks are shown them.

A photo is turned upright, scaled until its short side is 256/224 of the resolution, cropped to the
centre, and each channel becomes (value / 255 - mean) / std: the usual ImageNet evaluation. With
mean and std of 0.5, the convention of the MobileNet papers' models and of the stand-alone
executables, that is -1…1.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mbc.diag import MbcError, error

# What Pillow reads by itself: some of its other plugins start programs, or are rarely tested.
FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF", "WEBP", "TIFF")
MODES = {1: "L", 3: "RGB"}
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


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes a tensor. `mean` and `std` are one number or one a channel, of values
    0…1. `short_side` is that of the scaled photo before the crop, in pixels; with `stretch` it is
    scaled to the network's size whatever its proportions, and nothing is cropped."""

    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    short_side: int | None = None
    stretch: bool = False

    def normalise(self, pixels: np.ndarray) -> np.ndarray:
        """u8[h,w,c] as f32[1,h,w,c]; E0106 where mean or std have another number of channels."""
        channels = pixels.shape[2]
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if len(numbers) not in (1, channels):
                raise error(
                    "E0106",
                    f"the {name} has {len(numbers)} numbers, the input {channels} channel(s)",
                    helps=[f"--{name} takes one number for all channels"],
                )
        mean, std = np.array(self.mean), np.array(self.std)
        divisor, offset = (255 * std).astype(np.float32), (mean / std).astype(np.float32)
        tensor: np.ndarray = (pixels.astype(np.float32) / divisor - offset)[np.newaxis]
        return tensor


PRESETS: Mapping[str, Preprocessing] = MappingProxyType(
    {
        "tf": Preprocessing(),
        "torch": Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "unit": Preprocessing((0.0,), (1.0,)),
        "raw": Preprocessing((0.0,), (1 / 255,)),
    }
)


def read_image(
    path: Path, height: int, width: int, channels: int = 3, how: Preprocessing = PRESETS["tf"]
) -> np.ndarray:
    """A photo as f32[1,height,width,channels], of 1 or 3 channels; E0106, E0701, E0705, E0708."""
    with _reading(path), Image.open(path, formats=FORMATS) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        plain = _plain(upright).convert(MODES[channels])
    pixels = np.asarray(scaled(plain, height, width, how), dtype=np.uint8)
    return how.normalise(pixels.reshape(height, width, channels))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What Pillow raises, as errors of ours; nothing of what it would print."""
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
            f"{path} is in no image format that mbc reads",
            helps=[f"{', '.join(FORMATS)}; a raw tensor's file ends in .npy"],
        ) from None
    except OSError as problem:
        known = problem.errno is not None  # Pillow's own have no number
        raise (unreadable if known else damaged)(path, problem) from None
    except DAMAGE as problem:
        raise damaged(path, problem) from None


def damaged(path: Path, problem: BaseException) -> MbcError:
    """E0705 for what a decoder says."""
    return error("E0705", f"{path} is a damaged image: {str(problem) or type(problem).__name__}")


def unreadable(path: Path, problem: OSError) -> MbcError:
    """E0701 for an error of the operating system."""
    return error("E0701", f"cannot read {path}: {problem.strerror or problem}")


def _plain(image: Image.Image) -> Image.Image:
    """Eight bits a channel, and white where the image is transparent."""
    if image.mode in SIXTEEN_BITS:
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; give the tensor as .npy")
    if not image.has_transparency_data:
        return image
    seen = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)


def scaled(image: Image.Image, height: int, width: int, how: Preprocessing) -> Image.Image:
    """The image, or its centre, at that size; one that has the size already is left as it is."""
    if how.stretch:
        return image.resize((width, height), Image.Resampling.BILINEAR)
    if image.size == (width, height) and how.short_side is None:
        return image
    whole = _whole_size(image, height, width, how.short_side)
    left, top = (whole[0] - width) // 2, (whole[1] - height) // 2
    resized = image.resize(whole, Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + width, top + height))


def _whole_size(
    image: Image.Image, height: int, width: int, short_side: int | None
) -> tuple[int, int]:
    """Width and height of the whole image at the scale of the crop; E0106 if that is too small,
    E0708 if it is huge, as that of a very long and narrow image is."""
    if short_side is None:
        scale = max(height / image.height, width / image.width) * 256 / 224
    else:
        scale = short_side / min(image.size)
    whole = (round(image.width * scale), round(image.height * scale))
    if whole[0] < width or whole[1] < height:
        raise error(
            "E0106",
            f"--resize {short_side} leaves a photo of {whole[0]}x{whole[1]} (width x height)",
            label=f"the network needs {width}x{height}",
            helps=["give a larger number, or --resize stretch"],
        )
    if whole[0] * whole[1] > MAX_PIXELS:
        raise error("E0708", f"the photo would be scaled to {whole[0]}x{whole[1]} (width x height)")
    return whole
