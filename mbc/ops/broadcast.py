"""Broadcasting: how an operand of arithmetic that is smaller than the result is repeated.

Of two operands one has the shape of the result. The other has as many axes, each of the same extent
or of extent 1, or fewer axes: [c] is along the channels, and so is [1], which is one number; [n,c]
has a vector of channels for each image, as a dense layer gives it. So [n,c] beside [n,h,w,c] is
[n,1,1,c], other than numpy has it.
"""

from __future__ import annotations

from mbc.ir.op import OpError
from mbc.ir.types import TensorType

Shape = tuple[int, ...]

FORMS = "one operand may be [c], [n,c], [n,1,1,c], [n,h,w,1] or [1] beside the other's [n,h,w,c]"


def aligned(shape: Shape, rank: int) -> Shape | None:
    """Return the shape with `rank` axes, those in the middle of extent 1; None if it has no such
    form."""
    if len(shape) == rank:
        return shape
    if len(shape) > min(rank, 2):
        return None
    images = shape[:-1] or (1,)
    return (*images, *[1] * (rank - 1 - len(images)), shape[-1])


def is_channel_vector(shape: Shape, whole: Shape) -> bool:
    """Whether a shape is [n,c], or [n,1,1,c], beside [n,h,w,c]."""
    vector = (whole[0], whole[-1])
    return len(whole) == 4 and shape in (vector, aligned(vector, 4))


def broadcast(op: str, a: TensorType, b: TensorType) -> Shape:
    """Return the shape of the result; raises OpError E0202 where neither operand has it."""
    for whole, other in ((a, b), (b, a)):
        shape = aligned(other.shape, whole.rank)
        if shape and all(e in (1, w) for e, w in zip(shape, whole.shape, strict=True)):
            return whole.shape
    raise OpError(
        f"{op} needs equal shapes, or an operand that is broadcast",
        f"a is {a}, b is {b}",
        FORMS,
        code="E0202",
    )
