"""Shared by all layers: tensors, parameter names, scopes, and errors at the user's line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import isfinite
from types import TracebackType

from mbc.diag import Location, error
from mbc.frontends.dsl.location import here
from mbc.frontends.dsl.mistakes import describe, misuse
from mbc.frontends.dsl.numbers import as_float
from mbc.frontends.dsl.operators import Operators
from mbc.ir.graph import Constant, Graph
from mbc.ir.literals import literal
from mbc.ir.op import Op, OpError
from mbc.ir.types import MAX_CHANNELS, MAX_ELEMENTS, MAX_RANK, TensorType
from mbc.ir.views import Value
from mbc.ops.elementwise import Add, Arithmetic, Div, Mul, Sub
from mbc.records import dataclass

NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Tensor(Operators):
    """Input or output of a layer: [n,h,w,c], or [n,c] after a global pool."""

    value: Value
    """Value of the graph under construction."""
    builder: Builder
    """Builder of that graph."""
    layer: str = ""
    """Name of the layer that computed it; "" if that has no parameters."""
    follows: str = ""
    """Name of the layer that computed it, but for a batch norm in between."""

    @property
    def shape(self) -> tuple[int, ...]:
        """All extents, the batch first."""
        return self.value.type.shape

    @property
    def channels(self) -> int:
        """Extent of the last axis."""
        return self.value.type.channels

    def __add__(self, other: object) -> Tensor:
        """Add as nn.add(a, b) does."""
        return self.builder.combine(Add(), self, other)

    def __radd__(self, other: object) -> Tensor:
        """Accept the integer 0 with which `sum([a, b])` begins."""
        if type(other) is int and other == 0:
            return self
        return self.builder.combine(Add(), other, self)

    def __sub__(self, other: object) -> Tensor:
        """Subtract as nn.sub(a, b) does."""
        return self.builder.combine(Sub(), self, other)

    def __rsub__(self, other: object) -> Tensor:
        """Subtract from a number or a weight."""
        return self.builder.combine(Sub(), other, self)

    def __mul__(self, other: object) -> Tensor:
        """Multiply as nn.mul(a, b) does."""
        return self.builder.combine(Mul(), self, other)

    def __rmul__(self, other: object) -> Tensor:
        """Multiply a number or a weight."""
        return self.builder.combine(Mul(), other, self)

    def __truediv__(self, other: object) -> Tensor:
        """Divide as nn.div(a, b) does."""
        return self.builder.combine(Div(), self, other)

    def __rtruediv__(self, other: object) -> Tensor:
        """Divide a number or a weight."""
        return self.builder.combine(Div(), other, self)

    def __neg__(self) -> Tensor:
        """Multiply by -1."""
        return self.builder.combine(Mul(), self, -1)

    def __repr__(self) -> str:
        return f"Tensor({', '.join(map(str, self.shape))})"


@dataclass(frozen=True, eq=False)
class Weight:
    """A trained constant, as an operand of arithmetic: `x * nn.weight(8, name="scale")`."""

    constant: Constant
    """Constant of the graph under construction."""
    builder: Builder
    """Builder of that graph."""


class Scope:
    """Prefix of the parameters that are made inside `with nn.scope("blocks.3"):`."""

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
    """Adds nodes to a graph and names their parameters and results.

    The parameters of a layer are called `scope.layer.weight`, its result `scope.layer`. A layer
    without a given name is named after its kind (`conv`, `dw`, `pw`, `fc`), numbered from the
    second on; a batch norm is named after the layer that it follows, `scope.layer.bn`, and so is
    the result of an activation, `scope.layer.relu`. That of any other op is `scope.op`.
    """

    def __init__(self, graph: Graph, batch: int = 1) -> None:
        self.graph, self.batch = graph, batch
        self._prefixes: list[str] = []
        self._layers: dict[str, Location] = {}
        self._literals: dict[str, Constant] = {}

    def scope(self, name: str) -> Scope:
        """Prefix the parameters of all layers inside a `with`; scopes nest."""
        check_name(NAME, name)
        return Scope(self._prefixes, name)

    def claim(self, name: str | None, kind: str, owner: str = "") -> str:
        """Return the full, unique name of a new layer; raises E0217 if a name is given twice."""
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
        """Return the value of a tensor of this network; raises E0218 for anything else."""
        if not isinstance(x, Tensor):
            raise misuse(f"{role} of this layer must be a tensor, found {describe(x)}")
        if x.builder is not self:
            raise misuse(f"{role} of this layer belongs to another network")
        return x.value

    def emit(
        self,
        op: Op,
        operands: Sequence[Value | Constant | None],
        layer: str = "",
        *,
        name: str = "",
        follows: str = "",
    ) -> tuple[Tensor, ...]:
        """Add a node and return its results, named `name`, else as the layer, else by scope and op.

        An OpError becomes an error of the same code at the user's line; raises E0206 for a
        constant or result beyond the limits of mbc.
        """
        where = here()
        refuse_large(operand.type for operand in operands if isinstance(operand, Constant))
        try:
            count = len(op.infer([None if o is None else o.type for o in operands]))
        except OpError as problem:
            helps = (problem.help,) if problem.help else ()
            raise error(
                problem.code, problem.message, at=where, label=problem.label, helps=helps
            ) from None
        names = self._result_names(name or layer or self._full(op.label), count)
        node = self.graph.add(op, operands, names=names, locations=(where,))
        refuse_large(result.type for result in node.results)
        return tuple(Tensor(value, self, layer, follows or layer) for value in node.results)

    def _result_names(self, wanted: str, count: int) -> list[str]:
        """Return names that no value has: the wanted one, or with .0, .1 … after it."""
        base = self.graph.fresh_name(wanted)
        return (
            [base] if count == 1 else [self.graph.fresh_name(f"{base}.{i}") for i in range(count)]
        )

    def combine(self, op: Arithmetic, a: object, b: object) -> Tensor:
        """Apply arithmetic to tensors, one of which may be a weight or a number; raises E0218 for
        anything else, E0202 where the shapes do not broadcast."""
        operands = [self._operand(op, given) for given in (a, b)]
        if all(isinstance(operand, Constant) for operand in operands):
            raise misuse(f"{op.mnemonic} needs a tensor, found {describe(a)} and {describe(b)}")
        (result,) = self.emit(op, operands)
        return result

    def _operand(self, op: Arithmetic, given: object) -> Value | Constant:
        if isinstance(given, Tensor):
            return self.read(given, "an operand")
        if isinstance(given, Weight) and given.builder is self:
            return given.constant
        number = as_float(given)
        if number is None or not isfinite((made := literal(number)).array[0]):
            message = f"{op.mnemonic} takes tensors, weights and numbers, found {describe(given)}"
            raise misuse(message, 'a trained constant is nn.weight(x.channels, name="scale")')
        return self._literals.setdefault(made.name, made)

    def parameter(self, layer: str, role: str, *shape: int) -> Constant:
        """Make a parameter without data; weights are bound later."""
        return Constant(f"{layer}.{role}", TensorType(shape))


def refuse_large(types: Iterable[TensorType]) -> None:
    """Raise E0206 at the user's line for a tensor beyond the limits of mbc."""
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
