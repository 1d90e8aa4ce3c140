"""What all layers share: values, parameter names, scopes, and errors at the user's line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from mbc.diag import Location, error
from mbc.frontends.dsl.location import here
from mbc.frontends.dsl.mistakes import describe, misuse
from mbc.frontends.dsl.operators import Operators
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import Op, OpError
from mbc.ir.types import MAX_CHANNELS, MAX_ELEMENTS, MAX_RANK, TensorType
from mbc.ir.views import Value
from mbc.ops.elementwise import Add

NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
ONLY_TENSORS = "only tensors of equal shapes are added; an offset is bias=True of the layer before"
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Tensor(Operators):
    """What a layer returns and the next one takes: [n,h,w,c], or [n,c] after a global pool."""

    value: Value
    builder: Builder
    layer: str = ""  # the layer whose output it is, if that has parameters

    @property
    def shape(self) -> tuple[int, ...]:
        """All extents, the batch first."""
        return self.value.type.shape

    @property
    def channels(self) -> int:
        """Extent of the last axis."""
        return self.value.type.channels

    def __add__(self, other: object) -> Tensor:
        """`a + b` is nn.add(a, b)."""
        if not isinstance(other, Tensor):
            raise misuse(f"a tensor and {describe(other)} do not add up", ONLY_TENSORS)
        a, b = self.builder.read(self), self.builder.read(other, "the second operand")
        (result,) = self.builder.emit(Add(), [a, b])
        return result

    def __radd__(self, other: object) -> Tensor:
        """What `sum([a, b])` begins with is an integer of 0."""
        return self if type(other) is int and other == 0 else self + other

    def __repr__(self) -> str:
        return f"Tensor({', '.join(map(str, self.shape))})"


class Scope:
    """Prefixes the names of the parameters made inside: `with nn.scope("blocks.3"):`."""

    def __init__(self, prefixes: list[str], name: str) -> None:
        self._prefixes, self._name = prefixes, name

    def __enter__(self) -> None:
        self._prefixes.append(self._name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._prefixes.pop()


class Builder:
    """Adds nodes to a graph and names their parameters.

    The parameters of a layer are called `scope.layer.weight`. A layer has the name that it is
    given, else that of its kind (`conv`, `dw`, `pw`, `fc`), numbered from the second on; a batch
    norm is called after the layer that it follows, `scope.layer.bn`.
    """

    def __init__(self, graph: Graph, batch: int = 1) -> None:
        self.graph, self.batch = graph, batch
        self._prefixes: list[str] = []
        self._layers: dict[str, Location] = {}

    def scope(self, name: str) -> Scope:
        """Prefix the parameters of all layers inside a `with`; scopes nest."""
        check_name(NAME, name)
        return Scope(self._prefixes, name)

    def claim(self, name: str | None, kind: str, owner: str = "") -> str:
        """The full, unique name of a new layer; raises E0217 if a name is given twice."""
        if name is None:
            return self._claim_fresh(f"{owner}.{kind}" if owner else self._full(kind))
        check_name(NAME, name)
        full = self._full(name)
        if full in self._layers:
            raise error(
                "E0217",
                f"two layers are called '{full}'",
                at=here(),
                label=f"first used at {self._layers[full]}",
                helps=["give one of them another name, or put each in its own nn.scope(…)"],
            )
        self._layers[full] = here()
        return full

    def _claim_fresh(self, wanted: str) -> str:
        full, number = wanted, 1
        while full in self._layers:
            number += 1
            full = f"{wanted}{number}"
        self._layers[full] = here()
        return full

    def _full(self, name: str) -> str:
        return ".".join([*self._prefixes, name])

    def read(self, x: object, role: str = "the input") -> Value:
        """The value of a tensor of this network; raises E0218."""
        if not isinstance(x, Tensor):
            raise misuse(f"{role} of this layer must be a tensor, found {describe(x)}")
        if x.builder is not self:
            raise misuse(f"{role} of this layer belongs to another network")
        return x.value

    def emit(
        self, op: Op, operands: Sequence[Value | Constant | None], layer: str = ""
    ) -> tuple[Tensor, ...]:
        """Add a node; an op that does not fit its operands is an error at the user's line."""
        where = here()
        refuse_large(operand.type for operand in operands if isinstance(operand, Constant))
        try:
            node = self.graph.add(op, operands, locations=(where,))
        except OpError as problem:
            helps = (problem.help,) if problem.help else ()
            raise error(
                problem.code, problem.message, at=where, label=problem.label, helps=helps
            ) from None
        refuse_large(result.type for result in node.results)
        return tuple(Tensor(value, self, layer) for value in node.results)

    def parameter(self, layer: str, role: str, *shape: int) -> Constant:
        """A parameter without data; weights are bound later."""
        return Constant(f"{layer}.{role}", TensorType(shape))


def refuse_large(types: Iterable[TensorType]) -> None:
    """E0206 at the user's line for a tensor beyond the limits of mbc."""
    for type in types:
        excess = (
            (type.rank > MAX_RANK, f"at most {MAX_RANK} axes"),
            (type.elements > MAX_ELEMENTS, f"at most {MAX_ELEMENTS:,} elements"),
            (type.channels > MAX_CHANNELS, f"at most {MAX_CHANNELS:,} channels"),
        )
        for exceeds, limit in excess:
            if exceeds:
                raise error("E0206", f"{type} is too large", at=here(), label=f"mbc takes {limit}")


def check_name(rule: re.Pattern[str], name: object) -> None:
    """Raise E0220 at the user's line for a name that the IR's text could not hold."""
    if isinstance(name, str) and rule.fullmatch(name):
        return
    raise error(
        "E0220",
        f"{name!r} cannot be a name",
        at=here(),
        helps=["use letters, digits and underscores, with dots between the parts"],
    )
