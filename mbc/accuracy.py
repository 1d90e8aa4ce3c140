"""How far an answer is off: each image of a batch is judged by itself, and each pixel of an image.

The error of a pixel is its largest difference in any channel, by its scale: the largest magnitude
of its channels, or what is typical of its image's pixels if that is more. So a bright pixel hides
no wrong one, and a pixel that is next to nothing, as after cancellation or a relu, needs no digits
of its own. Typical is the median of the pixels that are not zero; of an image that is all zeros,
the largest such median of the batch. What is not finite must be so in both, at the same place.

Indices, which are int32, have to be equal, but for those that the reference masks since rounding
decides about them (mbc/interp/ties.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf, prod

import numpy as np

from mbc.records import dataclass

STRIP = 2**18  # numbers that are looked at together


@dataclass(frozen=True)
class Difference:
    """The largest relative error of a tensor, and where it is if there are several places: "image
    1, pixel (3, 4)"."""

    error: float
    place: str = ""

    def __str__(self) -> str:
        return f"{self.error:.3g}" + f" at {self.place}" * bool(self.place)


@dataclass(frozen=True)
class Steps:
    """How far codes are off."""

    counts: tuple[int, ...]
    """How many are 0, 1, 2, … steps off."""

    @staticmethod
    def of(found: np.ndarray, wanted: np.ndarray, scale: float) -> Steps:
        """Compare the numbers that codes of one scale stand for."""
        apart = np.abs(found.astype(np.float64) - wanted) / scale
        return Steps(tuple(np.bincount(np.rint(apart).astype(np.int64).ravel()).tolist()))

    @property
    def most(self) -> int:
        """The most steps that one is off."""
        return max(len(self.counts) - 1, 0)

    def __str__(self) -> str:
        named = [f"{n:,} by {off}" for off, n in enumerate(self.counts) if off and n]
        equal = self.counts[0] if self.counts else 0
        return f"{equal:,} of {sum(self.counts):,} equal" + "".join(f", {text}" for text in named)


def difference(found: np.ndarray, reference: np.ndarray) -> Difference:
    """Compare tensors whose axes are images, pixels in any number of axes, and channels. Those of a
    single axis are one image's pixels.

    The error is infinite if the shapes differ, or if an element that is not finite differs, or an
    index that is not masked."""
    if found.shape != reference.shape:
        return Difference(inf)
    if reference.dtype == np.int32:
        return _difference_of_indices(found, reference)
    shape = reference.shape if reference.ndim > 1 else (1, *reference.shape, 1)
    images, rows = (shape[0], -1), (-1, shape[-1])
    errors = _by_strips(_errors, found.reshape(rows), reference.reshape(rows)).reshape(images)
    if not errors.any():
        return Difference(0.0)
    errors /= _scales(_by_strips(_sizes, reference.reshape(rows)).reshape(images))
    image, *pixel = np.unravel_index(int(np.argmax(errors)), shape[:-1])
    return Difference(float(errors.max()), _place(shape, int(image), [int(i) for i in pixel]))


def _difference_of_indices(found: np.ndarray, reference: np.ndarray) -> Difference:
    apart = np.argwhere(
        (np.asarray(found) != np.asarray(reference)) & ~np.ma.getmaskarray(reference)
    )
    if not apart.size:
        return Difference(0.0)
    return Difference(inf, f"element ({', '.join(map(str, apart[0].tolist()))})")


def worst(differences: Mapping[str, Difference]) -> tuple[str, Difference]:
    """Return the largest of several, with its name."""
    return max(differences.items(), key=lambda item: item[1].error)


def _by_strips(measure: Callable[..., np.ndarray], *tensors: np.ndarray) -> np.ndarray:
    """Apply a measure to each pixel of [pixels, channels], a few at a time in float64."""
    pixels, channels = tensors[0].shape
    step = max(STRIP // channels, 1)
    strips = (slice(start, start + step) for start in range(0, pixels, step))
    return np.concatenate([measure(*(t[s].astype(np.float64) for t in tensors)) for s in strips])


def _errors(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the largest difference of each pixel."""
    finite = np.isfinite(found) & np.isfinite(wanted)
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    apart = np.abs(np.where(finite, found, 0) - np.where(finite, wanted, 0))
    errors: np.ndarray = np.where(finite, apart, np.where(same, 0, inf)).max(axis=-1)
    return errors


def _sizes(wanted: np.ndarray) -> np.ndarray:
    """Return the largest finite magnitude of each pixel."""
    sizes: np.ndarray = np.where(np.isfinite(wanted), np.abs(wanted), 0).max(axis=-1)
    return sizes


def _scales(sizes: np.ndarray) -> np.ndarray:
    """Return the scale of each pixel's error, from the sizes of pixels as [images, pixels]."""
    typical = np.array([_median(image[image > 0]) for image in sizes])
    typical[typical == 0] = typical.max() or 1.0
    scales: np.ndarray = np.maximum(sizes, typical[:, np.newaxis])
    return scales


def _median(sizes: np.ndarray) -> float:
    return float(np.median(sizes)) if sizes.size else 0.0


def _place(shape: tuple[int, ...], image: int, pixel: Iterable[int]) -> str:
    words = [f"image {image}"] * (shape[0] > 1)
    if prod(shape[1:-1]) > 1:
        words.append(f"pixel ({', '.join(map(str, pixel))})")
    return ", ".join(words)
