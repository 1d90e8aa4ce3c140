"""Inputs of bytes, as cameras give them, and the numbers that a network makes of these.

    x: q8(1,0)    x.normalised = (dequantize(x) - mean) * scale    with both for each channel

Where callers give the channels first, it is the transposed image that is normalised. Folding the
scale and the mean into layers is left to other passes; those on codes have `as_floats` take all of
this away, and read bytes in their own ways (quantising/bytes.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mbc.ir.elements import F32, Q8
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.ops.elementwise import Mul, Sub
from mbc.ops.move import Transpose
from mbc.ops.quantized import Dequantize
from mbc.passes.rewrite import ConstantMaker
from mbc.records import dataclass
from mbc.runtime.abi import INPUT_LAYOUT, PLANAR

BYTE = Q8(1.0, 0)
"""The element of bytes that stand for themselves."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """What codes of an input stand for: scale * (number of the code - mean), by channel."""

    element: Q8
    """The element of the codes."""
    means: np.ndarray
    """One float32, or one a channel."""
    scales: np.ndarray
    """One float32, or one a channel."""

    @staticmethod
    def of(means: Sequence[float], scales: Sequence[float], element: Q8 = BYTE) -> Numbers:
        """Round to float32; one number stands for equal ones."""
        return Numbers(element, _shortest(means), _shortest(scales))

    @property
    def is_shifted(self) -> bool:
        """Whether 0 is not what the zero point stands for."""
        return bool(self.means.any())

    @property
    def is_plain(self) -> bool:
        """Whether codes stand for what their element says."""
        return not self.is_shifted and bool(np.all(self.scales == 1))

    @property
    def is_uniform(self) -> bool:
        """Whether all channels have the same numbers."""
        return self.means.size == self.scales.size == 1


def _shortest(numbers: Sequence[float]) -> np.ndarray:
    found = np.array(numbers, np.float32)
    return found[:1] if np.all(found == found[0]) else found


@dataclass(frozen=True, eq=False)
class ByteInput:
    """An input of codes, and the chain of nodes that makes numbers of them."""

    codes: Value
    """The input."""
    moved: Node | None
    """What puts its channels last, if anything does."""
    chain: tuple[Node, ...]
    """`dequantize`, and arithmetic with a constant each."""
    numbers: Numbers
    """What the chain computes."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in order."""
        return self.chain if self.moved is None else (self.moved, *self.chain)

    @property
    def result(self) -> Value:
        """The numbers, which the network reads."""
        return self.chain[-1].result


def read_bytes(graph: Graph, x: Value, numbers: Numbers) -> None:
    """Have a float input given as bytes of which the network makes these numbers."""
    moved, codes = transposing(graph, x), graph.retype_input(x, numbers.element)
    if moved is None:
        before = next(iter(graph.topo()), None)
        _read_instead(graph, x, normalised(graph, codes, numbers, x.name, before))
        return
    bytes = graph.add(moved.op, [codes], locations=moved.locations, before=moved).result
    _read_instead(graph, moved.result, normalised(graph, bytes, numbers, x.name, moved))
    graph.supersede(moved.result, bytes)
    graph.erase(moved)


def _read_instead(graph: Graph, old: Value, new: Value) -> None:
    """Read a value that is added; what was read keeps its origins to itself."""
    graph.replace_uses(old, new)
    new.absorbed = ()


def transposing(graph: Graph, x: Value) -> Node | None:
    """Return what alone reads an image whose channels come first, and puts them last, if there is
    such a node."""
    node, planar = graph.single_user(x), graph.meta.get(INPUT_LAYOUT) == PLANAR
    return node if planar and node is not None and node.op == Transpose((0, 2, 3, 1)) else None


def normalised(
    graph: Graph, codes: Value, numbers: Numbers, stem: str, before: Node | None
) -> Value:
    """Add what makes numbers of codes; returns the last result."""
    constants = ConstantMaker(graph)

    def add(op: Op, name: str, x: Value, *constant: Constant) -> Value:
        fresh = graph.fresh_name(f"{stem}.{name}")
        new = graph.add(op, [x, *constant], names=[fresh], before=before)
        new.result.is_added = True
        return new.result

    def constant(name: str, data: np.ndarray) -> Constant:
        return constants.derive(f"{stem}.{name}", TensorType(data.shape), [], lambda: data)

    found = add(Dequantize(), "dequantize", codes)
    if numbers.is_shifted:
        found = add(Sub(), "centred", found, constant("mean", numbers.means))
    if not np.all(numbers.scales == 1):
        found = add(Mul(), "normalised", found, constant("scale", numbers.scales))
    return found


def byte_inputs(graph: Graph) -> Iterator[ByteInput]:
    """Yield the inputs that `read_bytes` has made, with their chains."""
    for value in graph.inputs:
        if isinstance(value.type.element, Q8) and (found := _byte_input(graph, value)):
            yield found


def _byte_input(graph: Graph, codes: Value) -> ByteInput | None:
    moved = transposing(graph, codes)
    bytes = codes if moved is None else moved.result
    first = graph.single_user(bytes)
    if first is None or not isinstance(first.op, Dequantize) or not first.view("x").is_plain:
        return None
    element, chain = codes.type.element, [first]
    constants = {"centred": np.zeros(1, np.float32), "normalised": np.ones(1, np.float32)}
    for name in constants:
        node = graph.single_user(chain[-1].result)
        if node is not None and (found := _added(node, f"{codes.name}.{name}")) is not None:
            chain.append(node)
            constants[name] = found
    assert isinstance(element, Q8)
    means, scales = (array.tolist() for array in constants.values())
    return ByteInput(codes, moved, tuple(chain), Numbers.of(means, scales, element))


def _added(node: Node, name: str) -> np.ndarray | None:
    """Return the constant of a node that `normalised` has added by this name."""
    constant = node.constant("b")
    result = node.results[0]
    known = isinstance(node.op, Sub | Mul) and result.is_added and result.name.startswith(name)
    return constant.data if known and constant is not None else None


def without_bytes(graph: Graph) -> Graph:
    """Return the network of floats, or the graph itself if its inputs are what they were."""
    copy = graph.clone()
    found = [*byte_inputs(copy)]
    for each in found:
        as_floats(copy, each)
    return copy if found else graph


def as_floats(graph: Graph, found: ByteInput) -> Value:
    """Take away what makes numbers of an input, which becomes one of floats; returns what the
    network reads instead: the input, or what puts its channels last."""
    x = read = graph.retype_input(found.codes, F32)
    if found.moved is not None:
        op, where = found.moved.op, found.moved.locations
        read = graph.add(op, [x], locations=where, before=found.moved).result
    graph.replace_uses(found.result, read)
    for node in reversed(found.chain):
        graph.erase(node)
    if found.moved is not None:
        graph.supersede(found.moved.result, read)
        graph.erase(found.moved)
    return read
