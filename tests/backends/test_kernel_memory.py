"""Every kernel of the examples, at its shape there, touches nothing but what is its own.

Each operand and result, the weights and the scratch lie between guard pages. Padding that kernels
may spill into, and the channels of neighbours that they may not touch, hold bits that are known."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from mbc.backends.llvm.addresses import Addresses
from mbc.backends.llvm.backend import LlvmBackend, builder_of
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.jit import JitModule
from mbc.backends.llvm.kernels.base import Buffer, Library, Site
from mbc.backends.llvm.lower import declarations
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Value
from mbc.passes.pipelines import DEFAULT_LEVEL, GOALS
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.target import Target
from tests.backends.guarded_program import Called
from tests.backends.kernel_check import close, equal, host_targets
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, LEADING, Example
from tests.guarded import Guarded

CANARY = 0x7FCA_CA00  # a NaN, so that what reads it shows

Arrays = Mapping[Value, np.ndarray]


class Room:
    """A tensor's memory: from its first pixel to the end of the room that its last one has."""

    def __init__(self, buffer: Buffer, *, low: bool) -> None:
        self.buffer = buffer
        self.memory = Guarded(buffer.extent, low=low)
        self.words = self.memory.bytes.view(np.uint32)
        self.words[:] = CANARY
        pixels = buffer.pitch * np.arange(buffer.pixels)[:, None]
        self._own = (pixels + np.arange(buffer.type.channels)).ravel()
        self._neighbours = (pixels[:-1] + np.arange(buffer.room, buffer.pitch)).ravel()

    def fill(self, array: np.ndarray) -> None:
        """Give the tensor a value."""
        self.words[self._own] = np.ascontiguousarray(array, np.float32).ravel().view(np.uint32)

    def value(self) -> np.ndarray:
        """The tensor, which must have been made as a whole, with no other touched."""
        assert np.all(self.words[self._neighbours] == CANARY), "a neighbour's channel was touched"
        found = self.words[self._own].view(np.float32)
        assert np.all(np.isfinite(found)), "not all was made, or of what is not there"
        return np.asarray(found.reshape(self.buffer.type.shape))


@dataclass(frozen=True)
class Case(Called):
    """A kernel that is run in this process."""

    def run(self, code: JitModule, arrays: Arrays, *, low: bool) -> list[np.ndarray]:
        """The results; if `low`, with guards before and not behind, and the last task first."""
        given = [Room(b, low=low) for buffers in self.inputs for b in buffers]
        for room, value in zip(given, self.values, strict=True):
            room.fill(arrays[value])
        made = [Room(buffer, low=low) for buffer in self.outputs]
        weights = Guarded(self.kernel.weights.nbytes, low=low)
        weights.bytes[:] = self.kernel.weights.ravel().view(np.uint8)
        only_read = [m.bytes for m in (weights, *(room.memory for room in given))]
        before = [bytes.copy() for bytes in only_read]
        self.call(code, [*(room.memory for room in (*given, *made)), weights], low=low)
        for bytes, old in zip(only_read, before, strict=True):
            assert np.array_equal(bytes, old), "an operand or the weights were changed"
        return [room.value() for room in made]

    def call(self, code: JitModule, memory: Sequence[Guarded], *, low: bool) -> None:
        scratch, tasks = Guarded(self.kernel.scratch_bytes, low=low), self.kernel.tasks
        pointers = [m.address for m in (*memory, scratch)]
        types = [ctypes.c_void_p] * len(pointers) + [ctypes.c_ssize_t] * 2
        function = ctypes.CFUNCTYPE(None, *types)(code.address(self.kernel.function))
        for task in reversed(range(tasks)) if low else range(1):
            scratch.bytes[:] = 255
            function(*pointers, task, task + 1 if low else tasks)

    def expected(self, arrays: Arrays) -> list[np.ndarray]:
        """What the oracle makes."""
        graph, values = Graph("one"), list(dict.fromkeys(self.values))
        inputs = {v: graph.add_input(f"x{i}", v.type) for i, v in enumerate(values)}
        views = {value: ChannelView.of(x) for value, x in inputs.items()}
        node = graph.add(
            self.node.op,
            [o.substitute(views) if isinstance(o, ChannelView) else o for o in self.node.operands],
        )
        graph.set_outputs(node.results)
        return [*run(graph, {x.name: arrays[value] for value, x in inputs.items()}).values()]


def cases(example: Example, target: Target, library: Library) -> dict[str, Case]:
    """The kernels of an example for both goals; equal ones once."""
    found: dict[str, Case] = {}
    for pipelines in GOALS.values():
        graph = example.graph()
        initialise(graph)
        run_pipeline(graph, pipelines[DEFAULT_LEVEL], PassContext(LlvmBackend(target)))
        for case in _cases(Addresses(graph, target), library):
            found.setdefault(case.kernel.function, case)
    return found


def _cases(addresses: Addresses, library: Library) -> Iterator[Case]:
    for node in addresses.nodes:
        inputs = tuple(
            tuple(map(addresses.buffer, o.values)) if isinstance(o, ChannelView) else ()
            for o in node.operands
        )
        outputs = tuple(map(addresses.buffer, node.results))
        yield Case(node, builder_of(node)(Site(node, inputs, outputs, library)), inputs, outputs)


TARGETS = host_targets()


def _everyday(example: Example, isa: str) -> bool:
    """Two networks, by the instruction sets of this machine in turn."""
    first, second = ([*TARGETS][number % len(TARGETS)] for number in range(2))
    return (example, isa) in ((LEADING[1], first), (LEADING[2], second))


@pytest.mark.parametrize(
    ("example", "isa"), part_of(product(EXAMPLE_NETWORKS, TARGETS), _everyday, "{}-{}".format)
)
def test_kernels_touch_what_is_their_own(example: Example, isa: str) -> None:
    target, rng = TARGETS[isa], np.random.default_rng(0)
    library = Library(isa_of(target))
    found = cases(example, target, library)
    code = JitModule("\n".join([*declarations(isa_of(target)), library.text()]), target)
    assert len(found) > 15
    for case in found.values():
        arrays = {v: rng.standard_normal(v.type.shape, np.float32) for v in case.values}
        high, low = (case.run(code, arrays, low=low) for low in (False, True))
        for one, other, oracle in zip(high, low, case.expected(arrays), strict=True):
            equal(one, other)
            close(one, oracle)


def room(buffer: Buffer) -> Room:
    made = Room(buffer, low=False)
    made.fill(np.arange(12))
    return made


TYPE = TensorType((1, 2, 2, 3))
SHARED = Buffer.shared(TYPE, 8)


@pytest.mark.parametrize("buffer", [Buffer.dense(TYPE), Buffer(TYPE, 8, 8), SHARED])
def test_what_is_made_is_found(buffer: Buffer) -> None:
    np.testing.assert_array_equal(room(buffer).value().ravel(), np.arange(12))


def test_neighbours_are_looked_at() -> None:
    for word in (3, 7, 15):
        touched = room(SHARED)
        touched.words[word] = 0
        with pytest.raises(AssertionError, match="neighbour"):
            touched.value()
    spilled = room(Buffer(TYPE, 8, 8))
    spilled.words[3:8] = 0
    assert spilled.value().size == 12


def test_what_is_not_made_is_noticed() -> None:
    left = room(SHARED)
    left.words[2 * 8 + 1] = CANARY
    with pytest.raises(AssertionError, match="not all was made"):
        left.value()
