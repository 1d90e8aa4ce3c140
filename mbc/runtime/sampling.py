"""Bilinear sampling without smoothing, as TensorFlow 1 resizes images.

This is `tf.image.resize_bilinear` with `align_corners=False` and without half-pixel centres, by
its published definition, in float32: row i of the result lies at i * scale, where scale is the
quotient of the old height by the new; with y0 = floor(i * scale), y1 = min(y0 + 1, height - 1) and
dy = i * scale - y0, and likewise x0, x1 and dx,

    top    = v[y0,x0] + (v[y0,x1] - v[y0,x0]) * dx
    bottom = v[y1,x0] + (v[y1,x1] - v[y1,x0]) * dx
    result = top + (bottom - top) * dy

where v = value * (1 / range), with the quotient rounded to float32, as `convert_image_dtype` does.
With `central:0.875`, range 255, mean 0.5 and std 0.5 the whole is TF-Slim's `preprocess_for_eval`:
its last steps, - 0.5 and * 2, round as - 0.5 and / 0.5 do.
"""

from __future__ import annotations

import numpy as np


def sampled(pixels: np.ndarray, height: int, width: int, range: float) -> np.ndarray:
    """Resize u8[h,w,c] to f32[height,width,c], divided by `range`."""
    y0, y1, dy = _places(pixels.shape[0], height)
    x0, x1, dx = _places(pixels.shape[1], width)
    dy, dx = dy[:, np.newaxis, np.newaxis], dx[:, np.newaxis]

    def row(y: np.ndarray) -> np.ndarray:
        left, right = (_values(pixels[y[:, np.newaxis], x], range) for x in (x0, x1))
        line: np.ndarray = left + (right - left) * dx
        return line

    top = row(y0)
    result: np.ndarray = top + (row(y1) - top) * dy
    return result


def _values(pixels: np.ndarray, range: float) -> np.ndarray:
    values: np.ndarray = pixels.astype(np.float32) * np.float32(1 / range)
    return values


def _places(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each position of the result, its two neighbours and the distance to the first."""
    at = np.arange(new, dtype=np.float32) * (np.float32(old) / np.float32(new))
    first = np.floor(at)
    low = np.minimum(first.astype(np.intp), old - 1)
    return low, np.minimum(low + 1, old - 1), at - first
