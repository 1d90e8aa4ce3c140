"""The fused bodies of squeeze-and-excitation: windows that average their rows, products of what is
multiplied by a vector of channels."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.activations import RELU, Activation, Silu
from mbc.ir.graph import Graph, Node, Operand
from mbc.ir.views import Value
from mbc.ops import Add, AvgPool, Conv2d, Fused, Mul
from tests.backends.cases import Case, both
from tests.backends.kernel_check import Net

Shape = tuple[int, int, int, int]


def averaged(
    net: Net, x: Value, kernel: int, stride: int, act: Activation | None, filters: int = 1
) -> Node:
    """A depthwise convolution that returns the means of its rows too."""
    body, c, p = Graph("body"), x.type.channels, kernel // 2
    op = Conv2d((stride, stride), (p, p, p, p), groups=c, act=act)
    weights = net.constant(kernel, kernel, 1, filters * c), net.constant(filters * c)
    conv = body.add(op, [body.add_input("x", x.type), *weights]).result
    row = (1, conv.type.shape[2])
    body.set_outputs([conv, body.add(AvgPool(row, stride=row), [conv]).result])
    return net.graph.add(Fused("dw_means", body), [x])


def scaled(
    net: Net, x: Value, factors: Value, columns: int, residual: Value | None = None
) -> Value:
    """A pointwise convolution of x times a vector of channels for each image."""
    body = Graph("body")
    pair = [body.add_input("x", x.type), body.add_input("s", factors.type)]
    product = body.add(Mul(), pair if factors.type.rank == 2 else pair[::-1]).result
    operands: list[Operand | Value | None] = [product]
    operands += [net.constant(1, 1, x.type.channels, columns), net.constant(columns)]
    if residual:
        operands.append(body.add_input("r", residual.type))
    body.set_outputs([body.add(Conv2d(act=RELU), operands).result])
    outer = [x, factors] if residual is None else [x, factors, residual]
    return net.graph.add(Fused("scaled", body), outer).result


def _averaged_cases(
    shape: Shape, kernel: int, stride: int = 1, act: Activation | None = RELU, filters: int = 1
) -> Iterator[Case]:
    def layer(net: Net, x: Value) -> Value:
        map, means = averaged(net, x, kernel, stride, act, filters).results
        return net.graph.add(Add(), [map, means]).result

    def apart() -> Graph:
        net = Net()
        return net.outputs(*averaged(net, net.input(*shape), kernel, stride, act).results)

    name = f"means-{'x'.join(map(str, shape))}-k{kernel}s{stride}"
    yield from both(name, shape, layer)
    yield f"{name}-outputs", apart


def _scaled_cases(
    shape: Shape, columns: int, form: tuple[int, ...] = (), *, residual: bool = False
) -> Iterator[Case]:
    form = form or (shape[0], shape[-1])

    def layer(net: Net, x: Value) -> Value:
        factors = net.input(*form, name="scale")
        held = net.input(*shape[:-1], columns, name="residual") if residual else None
        return scaled(net, x, factors, columns, held)

    name = f"scaled-{'x'.join(map(str, shape))}x{columns}-{len(form)}"
    yield from both(f"{name}-add" if residual else name, shape, layer)


def gate_cases() -> Iterator[Case]:
    """One image and several, ragged and aligned channels, tasks that are rows and panels, rows in
    blocks of channels, and an activation that comes after the rows are stored."""
    yield from _averaged_cases((1, 7, 7, 24), 3)
    yield from _averaged_cases((3, 9, 6, 13), 5, 2)
    yield from _averaged_cases((2, 4, 9, 70), 3, 1, Silu())
    yield from _averaged_cases((1, 3, 28, 192), 5)
    yield from _averaged_cases((1, 2, 1, 5), 3)
    yield from _averaged_cases((1, 5, 7, 10), 3, filters=2)
    yield from _scaled_cases((1, 7, 7, 40), 24, residual=True)
    yield from _scaled_cases((3, 5, 3, 17), 13, (3, 1, 1, 17), residual=True)
    yield from _scaled_cases((2, 3, 3, 34), 328)
    yield from _scaled_cases((1, 13, 11, 7), 5)
    yield from _scaled_cases((1, 6, 5, 19), 20)
    yield from _scaled_cases((2, 1, 1, 6), 9, (2, 1, 1, 6))
