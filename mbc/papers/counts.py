"""What a paper's cell may give of a network: a number, or a word such as a shape.

A layer is named by its result (`stem.conv`), several by their scope (`blocks.6`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import TypeAlias

from mbc.ir.graph import Graph, Node
from mbc.ops.cost import learned_params, node_cost, total_cost
from mbc.ops.linear import Conv2d, Dense, is_depthwise, is_pointwise
from mbc.ops.pool import Pool

Count: TypeAlias = "Callable[[Graph, str], float | str]"


class Unknown(LookupError):
    """A count or layer that there is not."""


def count(name: str, graph: Graph, layer: str) -> float | str:
    """Count what `name` says of a network, or of one of its layers."""
    if name not in COUNTS:
        raise Unknown(f"there is no count '{name}'")
    return COUNTS[name](graph, layer)


def _linear(graph: Graph, layer: str = "") -> Iterator[Node]:
    """Yield the convolutions and dense layers of a scope, or of all."""
    for node in graph.topo():
        if isinstance(node.op, Conv2d | Dense) and _inside(node, layer):
            yield node


def _inside(node: Node, layer: str) -> bool:
    return not layer or f"{node.results[0].name}.".startswith(f"{layer}.")


def _first(graph: Graph, layer: str) -> Node:
    """Return the first node of a scope."""
    found = next((node for node in graph.topo() if _inside(node, layer)), None)
    if found is None:
        raise Unknown(f"{graph.name} has no layer '{layer}'")
    return found


def _filter(node: Node) -> tuple[int, ...]:
    weight = node.constant("weight")
    assert weight is not None
    return weight.type.shape


def _macs(graph: Graph, layer: str) -> float:
    return sum(node_cost(node).macs for node in _linear(graph, layer))


def _macs_without_dense(graph: Graph, _: str) -> float:
    dense = (node for node in _linear(graph) if isinstance(node.op, Dense))
    return total_cost(graph).macs - sum(node_cost(node).macs for node in dense)


def _weights(graph: Graph, layer: str) -> float:
    return sum(_size(node) for node in _linear(graph, layer))


def _size(node: Node) -> int:
    weight = node.constant("weight")
    return weight.type.elements if weight else 0


def _weights_and_biases(graph: Graph, layer: str) -> float:
    return sum(node_cost(node).params for node in _linear(graph, layer))


def kind_of(node: Node) -> str:
    """Return what papers call a layer: dense, pointwise, depthwise or conv."""
    weight = node.constant("weight")
    if weight is None or not isinstance(node.op, Conv2d):
        return "dense"
    if is_pointwise(node.op, weight.type):
        return "pointwise"
    return "depthwise" if is_depthwise(node.op, weight.type) else "conv"


def _share(size: Callable[[Node], int]) -> Count:
    """Count the percentage of a kind of layers, which stands where others have a layer."""

    def share(graph: Graph, kind: str) -> float:
        nodes = list(_linear(graph))
        of_kind = sum(size(node) for node in nodes if kind_of(node) == kind)
        return 100 * of_kind / sum(map(size, nodes))

    return share


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _input(graph: Graph, layer: str) -> str:
    """Height, width and channels of what the first layer of a scope reads."""
    return _image(_first(graph, layer).views[0].type.shape)


def _output(graph: Graph, layer: str) -> str:
    """Height, width and channels of the last value of a scope."""
    return _image(_last(graph, layer).results[0].type.shape)


def _last(graph: Graph, layer: str) -> Node:
    _first(graph, layer)
    return [node for node in graph.topo() if _inside(node, layer)][-1]


def _image(shape: tuple[int, ...]) -> str:
    """Leave out the batch; vectors are images of one pixel."""
    return _shape(shape[1:] if len(shape) == 4 else (1, 1, *shape[1:]))


def _size_of_output(graph: Graph, layer: str) -> str:
    return _output(graph, layer).rpartition("x")[0]


def _channels(graph: Graph, layer: str) -> float:
    return _last(graph, layer).results[0].type.channels


def _filter_of(graph: Graph, layer: str) -> str:
    """Return the filter of a convolution, without the axis that depthwise ones have not; the matrix
    of a dense layer; the window of a pool."""
    node = _first(graph, layer)
    if isinstance(node.op, Pool):
        return _shape(node.op.kernel)
    if not isinstance(node.op, Conv2d | Dense):
        height, width = node.views[0].type.shape[1:3]
        return f"{height}x{width}"  # a global pool
    shape = _filter(node)
    return _shape(shape[:2] + shape[3:] if kind_of(node) == "depthwise" else shape)


def _stride(graph: Graph, layer: str) -> float:
    """Return the largest stride in a scope, 1 for layers that have none."""
    ops = (node.op for node in graph.topo() if _inside(node, layer))
    return max((op.stride[0] for op in ops if isinstance(op, Conv2d | Pool)), default=1)


def _blocks(graph: Graph) -> dict[str, int]:
    """Return the channels of each block."""
    found = {}
    for node in graph.topo():
        scope, _, rest = node.results[0].name.partition(".")
        if scope == "blocks":
            found[f"{scope}.{rest.partition('.')[0]}"] = node.results[0].type.channels
    return found


def _repeats(graph: Graph, layer: str) -> float:
    """Count the blocks of equal width that begin with this one."""
    blocks = _blocks(graph)
    names = list(blocks)
    if layer not in blocks:
        return 1
    following = names[names.index(layer) :]
    return len(list(takewhile(lambda name: blocks[name] == blocks[layer], following)))


def _expansion(graph: Graph, layer: str) -> float:
    """Divide the channels of a block's depthwise convolution by those of its input."""
    depthwise = next(node for node in _linear(graph, layer) if kind_of(node) == "depthwise")
    return depthwise.views[0].type.channels / _first(graph, layer).views[0].type.channels


def _widest(graph: Graph, size: str) -> float:
    """Return the most channels that a block has at a resolution."""
    found = [
        _last(graph, block).results[0].type.shape
        for block in _blocks(graph)
        if _size_of_output(graph, block) == size
    ]
    return max(shape[-1] for shape in found)


COUNTS: dict[str, Count] = {
    "macs": _macs,
    "macs without the dense layer": _macs_without_dense,
    "parameters": lambda graph, _: learned_params(graph),
    "weights": _weights,
    "weights and biases": _weights_and_biases,
    "share of macs": _share(lambda node: node_cost(node).macs),
    "share of weights": _share(_size),
    "stride": _stride,
    "filter": _filter_of,
    "input": _input,
    "size of output": _size_of_output,
    "channels": _channels,
    "repeats": _repeats,
    "expansion": _expansion,
    "most channels": _widest,
}
"""By the names that the files of `data/` use."""
