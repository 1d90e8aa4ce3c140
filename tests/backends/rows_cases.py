"""Normalisations and products of computed matrices, over ragged shapes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mbc.ir.op import Op
from mbc.ir.views import Value
from mbc.ops import InstanceNorm, L2Normalize, LogSoftmax, Lrn, MatMul
from tests.backends.cases import Case, both
from tests.backends.kernel_check import Net


def rows_cases() -> Iterator[Case]:
    """Each over some shapes, batch 2 among them."""
    plain: tuple[Op, ...] = (LogSoftmax(), L2Normalize())
    for op in plain:
        for shape in ((3, 1), (2, 3, 5, 7), (3, 16), (2, 101), (1, 2, 9)):
            yield from both(f"{op.mnemonic}-{_text(shape)}", shape, partial(_applied, op))
    for size, shape in ((5, (2, 3, 5, 7)), (4, (3, 16)), (1, (1, 2, 9)), (30, (2, 2, 2, 37))):
        op = Lrn(size, 0.5, 0.75, 2.0)
        yield from both(f"lrn{size}-{_text(shape)}", shape, partial(_applied, op))
    for shape in ((2, 3, 5, 7), (1, 4, 4, 16), (3, 1, 2, 37)):
        yield from both(f"instance_norm-{_text(shape)}", shape, _norm)
    for shape, width in (((5, 7), 9), ((2, 3, 8), 16), ((2, 2, 3, 13), 70), ((1, 1), 1)):
        layer = partial(_product, (*shape[:-2], shape[-1], width))
        yield from both(f"matmul-{_text(shape)}-{width}", shape, layer)


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _applied(op: Op, net: Net, x: Value) -> Value:
    return net.graph.add(op, [x]).result


def _norm(net: Net, x: Value) -> Value:
    c = x.type.channels
    return net.graph.add(InstanceNorm(1e-3), [x, net.constant(c), net.constant(c)]).result


def _product(shape: tuple[int, ...], net: Net, x: Value) -> Value:
    return net.graph.add(MatMul(), [x, net.input(*shape, name="other")]).result
