"""The parts of a statement: types, operands with their views, attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from math import isfinite, prod
from typing import Any

from mbc.diag import nearest
from mbc.ir.elements import Q8, Element, Scalar
from mbc.ir.graph import Constant, Graph, Operand
from mbc.ir.literals import LITERAL, literal
from mbc.ir.names import symbol, value_symbol
from mbc.ir.schedule import Schedule
from mbc.ir.text.attributes import MAX_INT, Call, Raw, Word, attribute_types, convert
from mbc.ir.text.cursor import Cursor
from mbc.ir.text.lexer import Kind, Token
from mbc.ir.types import MAX_CHANNELS, MAX_ELEMENTS, MAX_RANK, TensorType
from mbc.ir.verify import view_problems
from mbc.ir.views import ChannelMap, ChannelView, Place, Segment, Value
from mbc.records import dataclass
from mbc.schedules import SCHEDULES

QUANTIZED = "q8"
KINDS = {kind.mnemonic: kind for kind in SCHEDULES}
MAX_ALL_CHANNELS = 2**22  # of all values and views of a file together


class PoisonedError(Exception):
    """A use of a name whose definition was wrong: not reported, since the definition was."""


@dataclass(frozen=True)
class Declared:
    """The declaration of a value after its name: fields of `Value` of the same names."""

    type: TensorType
    place: Place | None
    is_added: bool
    absorbed: tuple[str, ...]


@dataclass
class Scope:
    """The names of one graph, or of one body of a fused node."""

    graph: Graph
    """The graph under construction."""
    constants: dict[str, Constant | None]
    """Constants by name, shared with fused bodies; None where the definition was wrong."""
    values: dict[str, ChannelView | None] = field(default_factory=dict)
    """Values by name; None where the definition was wrong."""
    depth: int = 0
    """Number of enclosing fused nodes."""

    def define(self, value: Value, declared: Declared | None = None) -> None:
        """Bind a value to its name, and set its declared place and origins."""
        self.values[value.name] = ChannelView.of(value)
        if declared is not None:
            value.place, value.is_added = declared.place, declared.is_added
            value.account_for(declared.absorbed)
            self.graph.reserve_names(declared.absorbed)


class OperandParser:
    """The grammar rules of the parts of a statement."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self._all_channels = 0

    # types

    def type(self) -> TensorType:
        """Parse a type: `f32[1,28,28,240]`."""
        word = self.cursor.token
        element = self._element()
        self.cursor.expect("[")
        shape = tuple(self.cursor.items(self._extent, "]"))
        if not 1 <= len(shape) <= MAX_RANK or prod(shape) > MAX_ELEMENTS:
            limits = f"a type has 1 to {MAX_RANK} axes and at most {MAX_ELEMENTS} elements"
            raise self.cursor.fail("E0306", limits, word, self.cursor.previous)
        return TensorType(shape, element)

    def _element(self) -> Element:
        """Parse an element type: `f32` or `q8(0.05,128)`."""
        word = self.cursor.expect_kind(Kind.WORD)
        if word.text == QUANTIZED:
            return self._q8(word)
        if word.text not in list(Scalar):
            helps = (f"the element types are {', '.join(Scalar)} and {QUANTIZED}(scale,zero)",)
            raise self.cursor.fail("E0302", f"unknown element type {word}", word, helps=helps)
        return Scalar.named(word.text)

    def _q8(self, word: Token) -> Q8:
        """Parse `(0.05,128)` after `q8`."""
        self.cursor.expect("(")
        scale = float(self.cursor.expect_kind(Kind.NUMBER).text)
        self.cursor.expect(",")
        zero = self.cursor.integer(least=-MAX_INT, most=MAX_INT)
        self.cursor.expect(")")
        try:
            return Q8.of(scale, zero)
        except ValueError as problem:
            raise self.cursor.fail("E0306", str(problem), word, self.cursor.previous) from None

    def _extent(self) -> int:
        token = self.cursor.token
        if token.text in ("?", "-1") or token.kind is Kind.WORD:
            helps = ("compile for one size: give it as a number",)
            message = f"shapes are static: an extent cannot be {token}"
            raise self.cursor.fail("E0302", message, token, helps=helps)
        return self.cursor.integer(least=1, most=MAX_INT)

    def declared(self) -> Declared:
        """Parse the type of a value, its place in the arena (`at OFFSET`, `pitch ELEMENTS`) and its
        origins (`added`, `from (%a, %b)`)."""
        start = self.cursor.token
        type = self.type()
        if type.channels > MAX_CHANNELS:
            message = f"a value has at most {MAX_CHANNELS} channels, found {type.channels}"
            raise self.cursor.fail("E0306", message, start, self.cursor.previous)
        self._count(type.channels, start)
        return Declared(type, self._place(), self.cursor.accept("added"), self._absorbed())

    def _place(self) -> Place | None:
        if not self.cursor.accept("at"):
            return None
        offset = self.cursor.integer()
        return Place(offset, self.cursor.integer() if self.cursor.accept("pitch") else None)

    def _absorbed(self) -> tuple[str, ...]:
        if not self.cursor.accept("from"):
            return ()
        self.cursor.expect("(")
        return tuple(name for name, _ in self.cursor.items(self.cursor.value, ")"))

    # operands

    def identifier(self, what: str) -> str:
        """Parse a word without dots; E0312 with dots."""
        token = self.cursor.expect_kind(Kind.WORD)
        if "." in token.text:
            message = f"the name of {what} is not an identifier: {token}"
            raise self.cursor.fail("E0312", message, token)
        return token.text

    def operand(self, scope: Scope) -> Operand:
        """Parse an operand: `@w`, `%0` or a view."""
        if self.cursor.token.kind is Kind.SYMBOL:
            return self._constant(scope)
        return self.view(scope)

    def _constant(self, scope: Scope) -> Constant:
        token = self.cursor.token
        name = self.cursor.symbol()
        if name not in scope.constants:
            helps = nearest(token.text, map(symbol, scope.constants))
            raise self.cursor.fail("E0305", f"no constant is named {token}", token, helps=helps)
        constant = scope.constants[name]
        if constant is None:
            raise PoisonedError
        return constant

    def literal(self, constant: Constant) -> None:
        """`2.5`: the data of a constant of one element."""
        token = self.cursor.take()
        if constant.type != LITERAL:
            message = f"a number is data of {LITERAL}, not of {constant.type}"
            raise self.cursor.fail("E0304", message, token)
        number = literal(float(token.text))
        if not isfinite(number.array[0]):
            raise self.cursor.fail("E0304", f"{token} is too large for f32", token)
        constant.data, constant.literal = number.data, True

    def view(self, scope: Scope) -> ChannelView:
        """Parse a view: `%0`, `%0[0:29]` or `[%a[0:29], %b]`, then maybe an order in brackets."""
        start = self.cursor.token
        if self.cursor.accept("["):
            parts = self.cursor.items(lambda: self._part(scope), "]")
        else:
            parts = [self._part(scope)]
        if not parts:
            raise self.cursor.fail("E0309", "a view of no channels", start, self.cursor.previous)
        view = parts[0] if len(parts) == 1 else self._joined(parts, start)
        return view.through(self._order(len(view.order))) if self.cursor.at("[") else view

    def _joined(self, parts: list[ChannelView], start: Token) -> ChannelView:
        self._count(sum(len(part.order) for part in parts), start)
        view = ChannelView.concat(parts)
        for problem in view_problems(view):
            raise self.cursor.fail("E0309", problem, start, self.cursor.previous)
        return view

    def _part(self, scope: Scope) -> ChannelView:
        """Parse a value, or a run of its channels."""
        whole = self.value(scope)
        if not (self.cursor.at("[") and self.cursor.ahead().kind is Kind.NUMBER):
            return whole
        start = self.cursor.expect("[")
        first, end = self._run(len(whole.order), start)
        self.cursor.expect("]")
        segment = Segment(whole.value, first, end - first)
        return ChannelView((segment,), ChannelMap.identity(end - first))

    def value(self, scope: Scope) -> ChannelView:
        """Parse the name of a value that is defined above; E0305 if it is not."""
        name, token = self.cursor.value()
        if name not in scope.values:
            known = () if name.isdigit() else map(value_symbol, scope.values)
            helps = nearest(token.text, known)
            message = f"{token} is not defined above"
            raise self.cursor.fail("E0305", message, token, helps=helps)
        view = scope.values[name]
        if view is None:
            raise PoisonedError
        return view

    def _run(self, channels: int, start: Token) -> tuple[int, int]:
        """Parse `first:end`, first < end <= channels; E0309 if it is out of range."""
        first = self.cursor.integer(most=MAX_INT)
        self.cursor.expect(":")
        end = self.cursor.integer(most=MAX_INT)
        if not first < end <= channels:
            message = f"{first}:{end} is no run of {channels} channels"
            raise self.cursor.fail("E0309", message, start, self.cursor.previous)
        self._count(end - first, start)
        return first, end

    def _order(self, channels: int) -> ChannelMap:
        """Parse an order: `[c -> (c mod g)*n + c floordiv g]` or `[perm 0 5 1:3]`."""
        start = self.cursor.expect("[")
        if self.cursor.accept("perm"):
            return self._permutation(channels, start)
        groups, each, again = self._shuffle()
        if groups != again or groups * each != channels:
            message = f"this is no channel shuffle of {channels} channels"
            label = f"{groups} groups of {each}"
            raise self.cursor.fail("E0309", message, start, self.cursor.previous, label)
        self._count(channels, start)
        return ChannelMap.shuffle(groups, channels)

    def _shuffle(self) -> tuple[int, int, int]:
        """Parse `c -> (c mod g)*n + c floordiv g]` after `[`; returns g, n and the second g."""
        groups = self._number_after("c", "->", "(", "c", "mod")
        each = self._number_after(")", "*")
        again = self._number_after("+", "c", "floordiv")
        self.cursor.expect("]")
        return groups, each, again

    def _number_after(self, *words: str) -> int:
        for word in words:
            self.cursor.expect(word)
        return self.cursor.integer(least=1, most=MAX_INT)

    def _permutation(self, channels: int, start: Token) -> ChannelMap:
        indices: list[int] = []
        while not self.cursor.accept("]"):
            if self.cursor.ahead().text == ":":
                indices += range(*self._run(channels, self.cursor.token))
            else:
                indices.append(self._channel(channels))
        if not indices:
            raise self.cursor.fail("E0309", "an order of no channels", start, self.cursor.previous)
        return ChannelMap(tuple(indices))

    def _channel(self, channels: int) -> int:
        token = self.cursor.token
        channel = self.cursor.integer(most=MAX_INT)
        if channel >= channels:
            raise self.cursor.fail("E0309", f"{channel} is none of {channels} channels", token)
        self._count(1, token)
        return channel

    def _count(self, channels: int, start: Token) -> None:
        self._all_channels += channels
        if self._all_channels > MAX_ALL_CHANNELS:
            message = f"a file has at most {MAX_ALL_CHANNELS} channels in all"
            raise self.cursor.fail("E0306", message, start, self.cursor.previous)

    # attributes

    def raw(self) -> Raw:
        """Parse an attribute value before its type is known."""
        token = self.cursor.token
        match token.kind:
            case Kind.STRING:
                return self.cursor.string()
            case Kind.WORD if self.cursor.ahead().text == "(" and token.text == QUANTIZED:
                return self._q8(self.cursor.take())
            case Kind.WORD if self.cursor.ahead().text == "(":
                return self._activation(self.cursor.take())
            case Kind.WORD:
                return Word(self.cursor.take().text)
            case Kind.NUMBER:
                return _number(self.cursor.take().text)
            case Kind.PUNCTUATION if self.cursor.accept("("):
                return tuple(self.cursor.items(self._plain_number, ")"))
            case _:
                raise self.cursor.unexpected("an attribute value")

    def attribute(self, name: str, wanted: Any, token: Token) -> Any:
        """Parse an attribute value of a given type; E0304 if it has another."""
        start = self.cursor.token
        raw = self.raw()
        try:
            value = convert(raw, wanted)
        except ValueError as problem:
            last = self.cursor.previous
            found = f", found {start}" if last is start else ""
            raise self.cursor.fail("E0304", f"{name}: {problem}{found}", start, last) from None
        if name == "shape" and len(value) > MAX_RANK:
            raise self.cursor.fail("E0306", f"a shape has at most {MAX_RANK} axes", token)
        return value

    def schedule(self) -> Schedule:
        """Parse a schedule: `turns{rows=4}`; E0303 (unknown), E0304 (wrong attributes)."""
        token = self.cursor.expect_kind(Kind.WORD)
        if (kind := KINDS.get(token.text)) is None:
            message, helps = f"there is no schedule {token}", nearest(token.text, KINDS)
            raise self.cursor.fail("E0303", message, token, helps=helps)
        types, given = attribute_types(kind), dict[str, Any]()
        self.braces(lambda: self._choice(token, types, given))
        if missing := [name for name in types if name not in given]:
            message = f"schedule {token} lacks {', '.join(missing)}"
            raise self.cursor.fail("E0304", message, token, self.cursor.previous)
        return kind(**given)

    def _choice(self, schedule: Token, types: Mapping[str, Any], given: dict[str, Any]) -> None:
        token = self.cursor.expect_kind(Kind.WORD)
        if token.text not in types:
            message = f"schedule {schedule} has no attribute {token}"
            helps = nearest(token.text, types)
            raise self.cursor.fail("E0304", message, token, helps=helps)
        if token.text in given:
            raise self.cursor.fail("E0304", f"{token} is given twice", token)
        self.cursor.expect("=")
        given[token.text] = self.attribute(token.text, types[token.text], token)

    def _activation(self, word: Token) -> Raw:
        """Parse `(lo=-1.0, hi=1.0)` after the name of an activation."""
        self.cursor.expect("(")
        given = self.cursor.items(self.act_parameter, ")")
        return Call(word.text, tuple(given))

    def act_parameter(self) -> tuple[str, float]:
        name = self.cursor.expect_kind(Kind.WORD).text
        self.cursor.expect("=")
        number = self.cursor.expect_kind(Kind.NUMBER)
        if not isfinite(value := float(number.text)):
            raise self.cursor.fail("E0304", f"{name}: expected a finite number", number)
        return name, value

    def _plain_number(self) -> Raw:
        return _number(self.cursor.expect_kind(Kind.NUMBER).text)

    def braces(self, rule: Callable[[], None]) -> None:
        """Parse `{item, …}`, or nothing."""
        if self.cursor.accept("{"):
            self.cursor.items(rule, "}")


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)
