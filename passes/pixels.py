"""Which outputs have the pixels of a value apart, and what Strassen's method adds to their errors.

**Pixels apart.** Where all pixels of an image are summed up before an output is made, as by a
global average pool or a dense layer over the whole map, what counts is an error beside the largest
pixel. Where an output tells pixels apart, as a mask does, each counts by itself. We follow a
value's pixels through the graph: they are a map; or all elements of the image in some other
arrangement; or anything else, of which nothing is assumed. Only a sum over the whole map, or over
all elements, ends the walk.

**The bound.** Let |x| be the sum of the magnitudes of the 2m channels of a pixel x, w the largest
magnitude of a weight and u the unit roundoff. Multiplied directly, a product may be rounded 2m
times, so to first order an element of the result is wrong by at most

    2m u w |p|.

Strassen's method pairs pixel p with q. With p = (p1, p2), q = (q1, q2) in halves of the channels,
the products that make an element of p's left half are at most w times

    2 |p1 + q2|,  2 |q2|,  |p1 + p2|,  2 |p2 - q2|,  in all 3 |p| + 6 |q2| <= 3 |p| + 6 |q|;

those of p's right half 3 |p|; those of q as much with p and q exchanged. A term is rounded at most
m + 7 times: as weights are added, as pixels are, in m multiply-adds (whose product by itself where
the CPU has no fused ones), and as four sums are added up. With |q| <= r |p| for any two pixels of
an image the error is at most

    (3 + 6 r) (m + 7) u w |p|,  which is  (1.5 + 3 r) (1 + 7 / m)  times the direct method's bound.

The bias is a row of weights, whose share of the error is at most 2.5 (1 + 7 / m) times as large; a
residual's is 4 times: both less. What is infinite or undefined has no bound: it spoils partners.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from math import inf, prod

from mbc.ir.graph import Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Value
from mbc.ops import (
    AvgPool,
    ChannelShuffle,
    Concat,
    Conv2d,
    Dense,
    Fused,
    GlobalAvgPool,
    MaxPool,
    Reshape,
    Softmax,
    Split,
    Transpose,
)
from mbc.ops.linear import is_pointwise, present


class Form(IntEnum):
    """How a value holds the pixels of an image, from most to least that is known."""

    MAP = 0  # [n, h, w, c]: where they were, or fewer of them, but several
    WHOLE = 1  # [n, …]: all elements, in any order
    PART = 2  # anything else


def output_with_pixels(graph: Graph, value: Value) -> str | None:
    """Return the name of an output that tells the pixels of a value apart, if there is one."""
    if _pixels(value.type) == 1:
        return None
    forms = {value: Form.MAP}
    _follow(graph, forms)
    outputs = zip(graph.output_names, graph.outputs, strict=True)
    return next((name for name, view in outputs if _read(view, forms) is not None), None)


def _follow(graph: Graph, forms: dict[Value, Form]) -> None:
    """Add the form of every value of the graph that has the pixels apart."""
    for node in graph.topo():
        if isinstance(node.op, Fused):
            forms |= _through_body(node.op.body, node, forms)
        elif (form := _after(node, forms)) is not None:
            forms |= dict.fromkeys(node.results, form)


def _through_body(body: Graph, node: Node, forms: Mapping[Value, Form]) -> dict[Value, Form]:
    """Return the forms of a fused node's results."""
    read = zip(body.inputs, (_read(view, forms) for view in node.views), strict=True)
    inner = {value: form for value, form in read if form is not None}
    _follow(body, inner)
    made = zip(node.results, (_read(view, inner) for view in body.outputs), strict=True)
    return {value: form for value, form in made if form is not None}


def _read(view: ChannelView, forms: Mapping[Value, Form]) -> Form | None:
    """Return the form of what a view reads."""
    return _joined(
        Form.PART if form is Form.WHOLE and not segment.is_whole else form
        for segment in view.segments
        if (form := forms.get(segment.value)) is not None
    )


def _joined(forms: Iterable[Form]) -> Form | None:
    """Return the form of values side by side, or of their sum."""
    found = set(forms)
    return None if not found else found.pop() if len(found) == 1 else Form.PART


def _after(node: Node, forms: Mapping[Value, Form]) -> Form | None:
    """Return the form of a node's results; None if it sums up all pixels, or reads none."""
    read = [(role, view) for role, view in node.items() if isinstance(view, ChannelView)]
    found = ((role, form) for role, view in read if (form := _read(view, forms)) is not None)
    passed = (_form_after(node, role, form) for role, form in found)
    return _joined(form for form in passed if form is not None)


def _form_after(node: Node, role: str, form: Form) -> Form | None:
    x, result = present(node.type_of(role)), node.results[0].type
    match node.op:
        case Split():
            return form if form is Form.MAP else Form.PART
        case op if op.per_pixel:
            return form if x.shape == result.shape else Form.PART
        case Reshape(shape=shape):
            return _moved(form, keeps_images=shape[0] == x.shape[0])
        case Transpose(perm=perm):
            return _moved(form, keeps_images=perm[0] == 0)
        case Conv2d() if role == "residual":
            return form
        case Conv2d() | Dense() | AvgPool() | GlobalAvgPool() if _sums_up(node, x, form):
            return None
        case Conv2d() | AvgPool() | MaxPool() if form is Form.MAP and _pixels(result) > 1:
            return Form.MAP
        case _:
            return Form.PART


def _moved(form: Form, *, keeps_images: bool) -> Form:
    return Form.WHOLE if form is not Form.PART and keeps_images else Form.PART


def _sums_up(node: Node, x: TensorType, form: Form) -> bool:
    """Whether every element of the result is a sum over all pixels of what is read."""
    match node.op:
        case GlobalAvgPool():
            return form is Form.MAP
        case Dense():
            return form is Form.WHOLE
        case Conv2d() as op if form is Form.WHOLE:
            plain = is_pointwise(op, present(node.type_of("weight"))) and op.groups == 1
            return plain and _pixels(x) == 1
        case Conv2d() | AvgPool() if form is Form.MAP:
            return _pixels(node.result.type) == 1 and _covers(node, x)
        case _:
            return False


def _covers(node: Node, x: TensorType) -> bool:
    """Whether the first window holds all pixels of a map."""
    if isinstance(node.op, Conv2d):
        kernel, dilation = present(node.type_of("weight")).shape[:2], node.op.dilation
    else:
        assert isinstance(node.op, AvgPool)
        kernel, dilation = node.op.kernel, (1, 1)
    before = node.op.pad[0], node.op.pad[2]
    fits = (k - pad >= size for k, pad, size in zip(kernel, before, x.shape[1:3], strict=True))
    return dilation == (1, 1) and all(fits)


def _pixels(type: TensorType) -> int:
    return prod(type.shape[1:-1])


def error_by_strassen(graph: Graph, node: Node) -> float:
    """Bound a pixel's error by Strassen's method in a pointwise convolution, as a multiple of the
    direct method's; infinite if nothing bounds how far pixels differ."""
    view = node.view("x")
    least, most = _size(graph, view)
    half = view.type.channels / 2
    return (1.5 + 3 * most / least) * (1 + 7 / half) if least else inf


Range = tuple[float, float]


def _size(graph: Graph, view: ChannelView) -> Range:
    """Bounds on the sum of magnitudes of a pixel's channels, up to rounding."""
    if not all(segment.is_whole for segment in view.segments) or not view.order.is_permutation:
        return 0.0, inf
    sizes = [_size_of(graph, value) for value in view.values]
    return sum(least for least, _ in sizes), sum(most for _, most in sizes)


def _size_of(graph: Graph, value: Value) -> Range:
    node = graph.producer(value)
    match node.op if node else None:
        case Softmax():
            return 1.0, 1.0
        case ChannelShuffle() | Concat() if node is not None:
            sizes = [_size(graph, view) for view in node.views]
            return sum(least for least, _ in sizes), sum(most for _, most in sizes)
        case _:
            return 0.0, inf
