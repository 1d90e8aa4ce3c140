"""Resizes of images."""

from __future__ import annotations

from mbc.frontends.onnx.emitters.site import Emitters, Site
from mbc.frontends.onnx.writer import Writer
from mbc.ops.resize import Resize


def resize(w: Writer, op: Resize, at: Site) -> str:
    """Resize to a size, without scales."""
    images, _, _, channels = at.x_type.shape
    sizes = w.integers("sizes", (images, channels, *op.size))
    rounding = {"nearest_mode": op.rounding} if op.mode == "nearest" else {}
    return w.node(
        "Resize",
        [at.x, "", "", sizes],
        at.name,
        mode="nearest" if op.mode == "nearest" else "linear",
        coordinate_transformation_mode=op.coordinates,
        **rounding,
    )


EMITTERS: Emitters = {
    Resize: resize,
}
