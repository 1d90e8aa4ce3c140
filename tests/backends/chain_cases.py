"""Fused bodies that are streamed by rows."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Graph, Operand
from mbc.ir.views import Value
from mbc.ops import Conv2d, Fused, MaxPool
from tests.backends.cases import ONE, Case, both
from tests.backends.kernel_check import Net

Step = tuple[str, int, int]
"""Kind ("pw", "dw", "conv", "max"), output channels (0: those of the input) and stride."""


def chain(
    h: int, w: int, c: int, steps: tuple[Step, ...], residual: bool = False, batch: int = 1
) -> Iterator[Case]:
    """Longer fused bodies, streamed by rows."""

    def step(net: Net, body: Graph, x: Value, kind: str, n: int, s: int) -> Value:
        k = x.type.channels
        match kind:
            case "pw":
                op = Conv2d(act=RELU6)
                return body.add(op, [x, net.constant(1, 1, k, n), net.constant(n)]).result
            case "dw":
                op, n = Conv2d((s, s), ONE, groups=k, act=RELU), n or k
                return body.add(op, [x, net.constant(3, 3, 1, n), net.constant(n)]).result
            case "conv":
                op = Conv2d((s, s), (0, 1, 0, 1))
                return body.add(op, [x, net.constant(3, 3, k, n), net.constant(n)]).result
            case _:
                return body.add(MaxPool((3, 3), (s, s), ONE), [x]).result

    def layer(net: Net, x: Value) -> Value:
        body = Graph("body")
        source = last = body.add_input("x", x.type)
        for kind, n, s in steps:
            last = step(net, body, last, kind, n, s)
        operands: list[Operand | Value | None] = [last]
        operands += [net.constant(1, 1, last.type.channels, c), None]
        last = body.add(Conv2d(), [*operands, source if residual else None]).result
        body.set_outputs([last])
        return net.graph.add(Fused("chain", body), [x]).result

    text = "-".join(f"{kind}{n}s{s}" for kind, n, s in steps)
    name = f"chain-{h}x{w}-c{c}-{text}" + ("-add" if residual else "")
    yield from both(name, (batch, h, w, c), layer)


Filter = tuple[int, int, int, tuple[int, int, int, int], int]
"""Kernel, stride, dilation, padding (top, bottom, left, right), and output channels."""


def filtered(h: int, w: int, c: int, *filters: Filter, groups: int = 1) -> Iterator[Case]:
    """Fused bodies: larger filters one after the other, and a pointwise one at the end, batch 2."""

    def layer(net: Net, x: Value) -> Value:
        body = Graph("body")
        last = body.add_input("x", x.type)
        for k, s, d, pad, n in filters:
            weight = net.constant(k, k, last.type.channels // groups, n)
            op = Conv2d((s, s), pad, (d, d), groups=groups, act=RELU)
            last = body.add(op, [last, weight, net.constant(n)]).result
        weight = net.constant(1, 1, last.type.channels, 5)
        body.set_outputs([body.add(Conv2d(), [last, weight, None]).result])
        return net.graph.add(Fused("chain", body), [x]).result

    text = "-".join(f"k{k}s{s}d{d}n{n}p{'.'.join(map(str, pad))}" for k, s, d, pad, n in filters)
    yield from both(f"chain-{h}x{w}-c{c}-g{groups}-{text}", (2, h, w, c), layer)


def filter_cases() -> Iterator[Case]:
    """Larger filters that read rows as they are made."""
    yield from filtered(16, 18, 3, (3, 2, 1, ONE, 8), (3, 2, 1, ONE, 33))
    yield from filtered(9, 11, 4, (3, 1, 1, (0, 0, 0, 0), 17), (3, 1, 1, (0, 0, 0, 0), 9))
    yield from filtered(12, 9, 6, (1, 1, 1, (0, 0, 0, 0), 16), (5, 2, 1, (2, 1, 2, 1), 24))
    yield from filtered(10, 24, 4, (3, 1, 1, ONE, 12), (3, 1, 2, (2, 2, 2, 2), 20), groups=2)
    yield from filtered(6, 5, 3, (3, 1, 1, (5, 1, 0, 2), 7), (2, 3, 2, (4, 6, 3, 3), 18))
    yield from filtered(4, 30, 16, *[(3, 1, 1, ONE, 32)] * 3)
    yield from filtered(1, 1, 3, (3, 1, 1, ONE, 6), (3, 1, 1, ONE, 6))
    yield from chain(16, 16, 3, (("conv", 8, 2), ("conv", 20, 2), ("dw", 0, 1)), batch=2)


Window = tuple[int, int, int, tuple[int, int, int, int]]
"""Kernel, stride, dilation and padding (top, bottom, left, right)."""


def windowed(h: int, w: int, *windows: Window) -> Iterator[Case]:
    """Fused bodies: depthwise convolutions of such windows between pointwise ones, batch 2."""

    def layer(net: Net, x: Value) -> Value:
        body = Graph("body")
        last = body.add_input("x", x.type)
        for k, s, d, pad in windows:
            c = last.type.channels
            last = body.add(Conv2d(), [last, net.constant(1, 1, c, 9), net.constant(9)]).result
            op = Conv2d((s, s), pad, (d, d), groups=9)
            last = body.add(op, [last, net.constant(k, k, 1, 9), net.constant(9)]).result
        body.set_outputs([body.add(Conv2d(), [last, net.constant(1, 1, 9, 5), None]).result])
        return net.graph.add(Fused("chain", body), [x]).result

    text = "-".join(f"k{k}s{s}d{d}p{'.'.join(map(str, pad))}" for k, s, d, pad in windows)
    yield from both(f"chain-{h}x{w}-{text}", (2, h, w, 4), layer)


def padding_cases() -> Iterator[Case]:
    """Windows in streamed bodies that lie in the padding in part or whole, on each side."""
    yield from windowed(9, 9, (3, 1, 1, (4, 4, 4, 4)))
    yield from windowed(8, 5, (1, 1, 1, (2, 2, 2, 2)))
    yield from windowed(9, 4, (3, 1, 2, (6, 0, 0, 6)))
    yield from windowed(4, 4, (3, 1, 1, (0, 7, 7, 0)))
    yield from windowed(12, 7, (2, 3, 1, (9, 5, 1, 4)))
    yield from windowed(1, 1, (1, 2, 1, (1, 1, 1, 1)))  # no window sees the image
    yield from windowed(6, 5, (3, 1, 1, (5, 1, 0, 2)), (3, 2, 1, (4, 9, 3, 3)))


def chain_cases() -> Iterator[Case]:
    """Inverted residuals, stems with what follows, and longer chains."""
    yield from chain(14, 14, 16, (("pw", 96, 1), ("dw", 0, 1)), residual=True)
    yield from chain(7, 9, 24, (("pw", 40, 1), ("dw", 0, 1)), residual=True, batch=2)
    yield from chain(15, 13, 8, (("pw", 17, 1), ("dw", 0, 2)))
    yield from chain(16, 16, 3, (("conv", 8, 2), ("dw", 0, 1)), batch=2)
    yield from chain(17, 16, 3, (("conv", 8, 2), ("max", 0, 2)))
    stem: tuple[Step, ...] = (("conv", 8, 2), ("dw", 0, 1), ("pw", 16, 1), ("dw", 0, 2))
    yield from chain(28, 28, 3, stem)
    yield from chain(
        12, 5, 6, (("dw", 0, 1), ("pw", 9, 1), ("dw", 0, 1), ("pw", 7, 1), ("dw", 0, 2))
    )
    yield from chain(4, 4, 12, (("pw", 20, 1), ("max", 0, 2), ("dw", 0, 1)))
    universal: tuple[Step, ...] = (("dw", 0, 1), ("pw", 24, 1), ("dw", 0, 1))
    yield from chain(14, 14, 6, universal, residual=True, batch=2)
    yield from chain(9, 7, 5, (("pw", 6, 1), ("dw", 18, 2)), batch=2)
    yield from chain(6, 8, 3, (("dw", 27, 1),))
    yield from chain(1, 1, 12, (("pw", 20, 1), ("dw", 0, 1)), residual=True)
