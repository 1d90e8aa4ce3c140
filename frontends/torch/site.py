"""A model under construction, and one op of PyTorch that is translated into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from mbc.frontends.lowering.model import Node, Shape
from mbc.frontends.lowering.names import unique
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.traces import Origin
from mbc.records import dataclass


@dataclass
class Draft:
    """What has been translated of a program."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    expanded: dict[str, str] = field(default_factory=dict)
    """What values are broadcast from, by name."""
    taken: Counter[str] = field(default_factory=Counter)

    def fresh(self, name: str) -> str:
        """Return a name that nothing has yet, and take it."""
        return unique(name, self.taken)

    def shape_of(self, name: str) -> Shape:
        """Return the shape of a value or constant."""
        array = self.constants.get(name)
        return self.shapes[name] if array is None else array.shape


@dataclass(frozen=True, eq=False)
class Site:
    """A call of an op: the names of tensors stand for them among its arguments."""

    draft: Draft
    op: str
    """The op as the user knows it, `aten.conv2d`."""
    arguments: Mapping[str, Any]
    """All arguments of its schema by name, defaults included."""
    results: tuple[str, ...]
    """Names of its results, which have shapes."""
    used: tuple[bool, ...]
    """Whether anything reads them."""
    origin: Origin

    @property
    def shape(self) -> Shape:
        """The shape of the first result."""
        return self.draft.shapes[self.results[0]]

    # what rules read

    def value(self, role: str) -> str:
        """Return the name of an operand; a number becomes a constant."""
        given = self.arguments[role]
        if isinstance(given, int | float) and not isinstance(given, bool):
            return self.number(role, given)
        if not isinstance(given, str):
            raise Unsupported(f"its {role} is no tensor")
        return given

    def optional(self, role: str) -> str:
        """Return the name of an operand; "" if it is None."""
        return "" if self.arguments[role] is None else self.value(role)

    def rank(self, role: str) -> int:
        """Count the axes of an operand."""
        return len(self.shape_of(role))

    def shape_of(self, role: str) -> Shape:
        """Return the shape of an operand."""
        return self.draft.shape_of(self.value(role))

    def axis(self, role: str) -> int:
        """Return an axis of the operand `self`, counted from the front."""
        return int(self.arguments[role]) % self.rank("self")

    def pair(self, role: str) -> tuple[int, int]:
        """Return two numbers, of which one may stand for both."""
        given = self.arguments[role]
        numbers = tuple(given) if isinstance(given, list | tuple) else (given,)
        if len(numbers) not in (1, 2):
            raise Unsupported(f"it has {len(numbers)} dimensions, mbc's have 2")
        return int(numbers[0]), int(numbers[-1])

    def require(self, role: str, *allowed: object) -> None:
        """Refuse other values of an attribute; Unsupported."""
        if self.arguments.get(role) not in allowed:
            raise Unsupported(f"its {role} is {self.arguments[role]}")

    # what rules make

    def constant(self, role: str, array: np.ndarray) -> str:
        """Add a constant named after the result."""
        name = self.draft.fresh(f"{self.results[0]}.{role}")
        self.draft.constants[name] = array
        return name

    def number(self, role: str, value: float) -> str:
        """Add a number."""
        return self.constant(role, np.array(value, np.float32))

    def numbers(self, role: str, values: Sequence[int]) -> str:
        """Add a list of integers."""
        return self.constant(role, np.array(values, np.int64))

    def beside_channels(self, vector: str, rank: int) -> str:
        """Return a constant vector along the channels, axis 1, of tensors of a rank."""
        array = self.draft.constants.get(vector)
        if array is None:
            raise Unsupported(f"its operand {vector} is not constant")
        if array.size == 1 or rank == 2:
            return vector
        name = self.draft.fresh(vector)
        self.draft.constants[name] = array.reshape(-1, *(1,) * (rank - 2))
        return name

    def step(self, kind: str, *inputs: str, shape: Shape | None = None, **attributes: Any) -> str:
        """Add a node before the one that makes the result, and return what it makes."""
        name = self.draft.fresh(f"{self.results[0]}.{kind.lower()}")
        if shape is not None:
            self.draft.shapes[name] = tuple(shape)
        self.add(kind, inputs, (name,), attributes)
        return name

    def result(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add the node that makes the only result, or the first of several."""
        self.add(kind, inputs, self.results[:1], attributes)
        return self.results[0]

    def first(self, kind: str, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """Add a node with several results, of which those after the first are mostly not read."""
        pairs = zip(self.results[1:], self.used[1:], strict=True)
        others = (name if used else "" for name, used in pairs)
        self.add(kind, inputs, (self.results[0], *others), attributes)
        return self.results

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: Mapping[str, Any],
    ) -> None:
        """Add a node."""
        name, (module, location) = self.results[0], self.origin
        operands, results = tuple(inputs), tuple(outputs)
        node = Node(kind, name, operands, results, attributes, module, location, self.op)
        self.draft.nodes.append(node)
