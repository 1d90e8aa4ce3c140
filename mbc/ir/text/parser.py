"""The parser of IR text, canonical or written by hand. The grammar is in docs/ir.md.

A wrong statement is reported and skipped; uses of its results are not reported, so the errors of
one run are independent of each other.
"""

from __future__ import annotations

from dataclasses import field
from functools import cache
from typing import Any

from mbc.diag import Location, MbcError, nearest
from mbc.ir import activations
from mbc.ir.graph import Constant, Graph, Operand, without_trailing_none
from mbc.ir.names import IDENTIFIER
from mbc.ir.op import Op, OpError
from mbc.ir.text.attributes import attribute_types
from mbc.ir.text.cursor import Cursor, Name
from mbc.ir.text.lexer import Kind, SourceText, Token
from mbc.ir.text.operands import Declared, OperandParser, PoisonedError, Scope
from mbc.ir.text.printer import is_named
from mbc.ir.types import TensorType
from mbc.ir.verify import listed, role_problems
from mbc.ir.views import ChannelView
from mbc.ops import OPS
from mbc.ops.elementwise import Activate
from mbc.ops.fused import Fused
from mbc.records import dataclass

MAX_DEPTH = 16
MNEMONICS: dict[str, type[Op]] = {op.mnemonic: op for op in OPS if op is not Activate}


@cache
def _attribute_types() -> dict[str, dict[str, Any]]:
    """Return the types of each op's attributes by its mnemonic; reading them takes time."""
    return {op.mnemonic: attribute_types(op) for op in OPS}


@dataclass(frozen=True)
class Module:
    """A parsed file."""

    graph: Graph
    hashes: dict[str, str] = field(default_factory=dict)
    """Content hashes of constants by name."""
    places: dict[str, Location] = field(default_factory=dict)
    """Locations of these hashes in the text."""


def parse(text: str, filename: str = "<text>") -> Graph:
    """Parse a graph; each node's location is its line. Raises MbcError with all independent errors
    (E0301 to E0312, or an op's E02xx)."""
    return parse_module(text, filename).graph


def parse_module(text: str, filename: str = "<text>") -> Module:
    """Parse a graph with the content hashes of its constants; raises what `parse` raises."""
    cursor = Cursor(SourceText(text, filename))
    try:
        module = _Parser(cursor).module()
    except MbcError as problem:
        raise MbcError(*dict.fromkeys((*cursor.problems, *problem.diagnostics))) from None
    if cursor.problems:
        raise MbcError(*cursor.problems)
    return module


@dataclass
class _Statement:
    """A statement: `%0, %1 = …`."""

    names: list[Name]
    """Names of the results."""
    start: Token
    """Its first token."""


class _Parser(OperandParser):
    def __init__(self, cursor: Cursor) -> None:
        super().__init__(cursor)
        self.wrong_statements = 0
        self.hashes: dict[str, str] = {}
        self.places: dict[str, Location] = {}

    # modules and graphs

    def module(self) -> Module:
        meta: dict[str, str] = {}
        if self.cursor.accept("module"):
            self.cursor.expect("{")
            self.cursor.items(lambda: self._meta(meta), "}")
        self.cursor.expect("graph")
        graph = Graph(self.cursor.symbol(), meta)
        self._graph(Scope(graph, {}))
        if self.cursor.token.kind is not Kind.END:
            raise self.cursor.unexpected("the end of the file")
        return Module(graph, self.hashes, self.places)

    def _meta(self, meta: dict[str, str]) -> None:
        token = self.cursor.token
        key = self.cursor.string() if token.kind is Kind.STRING else self._word()
        if key in meta:
            raise self.cursor.fail("E0304", f"{token} is given twice", token)
        self.cursor.expect("=")
        meta[key] = self.cursor.string()

    def _word(self) -> str:
        return self.cursor.expect_kind(Kind.WORD).text

    def _graph(self, scope: Scope) -> None:
        self.cursor.expect("(")
        self.cursor.items(lambda: self._parameter(scope), ")")
        self.cursor.expect("{")
        self._body(scope)
        self.cursor.expect("}")

    def _parameter(self, scope: Scope) -> None:
        name = self._input_name(scope)
        self.cursor.expect(":")
        declared = self.declared()
        scope.define(scope.graph.add_input(name, declared.type), declared)

    def _input_name(self, scope: Scope) -> str:
        name, token = self.cursor.value()
        if not IDENTIFIER.fullmatch(name):
            raise self.cursor.fail("E0312", f"the input {token} is not an identifier", token)
        self._check_new(Name(name, token), scope)
        return name

    def _check_new(self, name: Name, scope: Scope) -> None:
        if name.text in scope.values:
            raise self.cursor.fail("E0305", f"{name.token} is defined twice", name.token)

    # statements

    def _body(self, scope: Scope) -> None:
        """Parse statements up to and including `return`."""
        returned = False
        while not returned:
            if self.cursor.token.kind is Kind.END or self.cursor.at("}"):
                raise self.cursor.unexpected("'return'")
            returned = self.cursor.at("return")
            self._guarded(scope)

    def _guarded(self, scope: Scope) -> None:
        """Parse a statement. If it is wrong, report and skip it, and poison its results."""
        start, statement = self.cursor.mark(), _Statement([], self.cursor.token)
        try:
            self._statement(scope, statement)
            return
        except PoisonedError:
            pass
        except MbcError as problem:
            self.cursor.report(problem)
        self.wrong_statements += 1
        for name in statement.names:
            scope.values.setdefault(name.text, None)
        self.cursor.recover(start)

    def _statement(self, scope: Scope, statement: _Statement) -> None:
        if self.cursor.at("const") and scope.depth == 0:
            self._declare(scope)
        elif self.cursor.accept("arena"):
            scope.graph.arena_bytes = self.cursor.integer()
        elif self.cursor.accept("return"):
            self._return(scope)
        elif self.cursor.token.kind is Kind.VALUE:
            self._node(scope, statement)
        else:
            raise self.cursor.unexpected("a statement")

    def _declare(self, scope: Scope) -> None:
        """Parse a constant: `const @w : f32[3,3,1,60] = #1f2e3d4c5b6a7988`."""
        start = self.cursor.expect("const")
        token = self.cursor.token
        name = self.cursor.symbol()
        known = name in scope.constants
        scope.constants.setdefault(name, None)
        if known:
            raise self.cursor.fail("E0305", f"{token} is defined twice", token)
        self.cursor.expect(":")
        scope.constants[name] = constant = Constant(name, self.type())
        if not self.cursor.accept("="):
            return
        if self.cursor.token.kind is Kind.NUMBER:
            self.literal(constant)
            return
        self.hashes[name] = self.cursor.expect_kind(Kind.HASH).text[1:]
        self.places[name] = self.cursor.source.span(start, self.cursor.previous)

    def _return(self, scope: Scope) -> None:
        names: list[str] = []
        views: list[ChannelView] = []
        if self.cursor.at("}"):
            raise self.cursor.fail("E0310", "nothing is returned", self.cursor.previous)
        while not self.cursor.at("}"):
            if views:
                self.cursor.expect(",")
            views.append(self.view(scope))
            if self.cursor.accept("as"):
                names.append(self._output_name(names))
        if names and len(names) != len(views):
            raise self.cursor.fail("E0302", "name all outputs, or none", self.cursor.previous)
        scope.graph.set_outputs(views, names or None)

    def _output_name(self, names: list[str]) -> str:
        token = self.cursor.token
        name = self.identifier("a graph output")
        if name in names:
            raise self.cursor.fail("E0305", f"two outputs are named {token}", token)
        return name

    # nodes

    def _node(self, scope: Scope, statement: _Statement) -> None:
        while True:
            statement.names.append(self.cursor.value())
            if not self.cursor.accept(","):
                break
        self.cursor.expect("=")
        call = self.cursor.token
        mnemonic = self._word()
        op: Op
        if mnemonic == Fused.mnemonic:
            op, operands = self._fused(scope)
        elif mnemonic in activations.names():
            op, operands = self._activate(scope, mnemonic, call)
        elif mnemonic in MNEMONICS:
            op, operands = self._call(scope, MNEMONICS[mnemonic], call)
        else:
            helps = nearest(mnemonic, [*MNEMONICS, *activations.names()])
            raise self.cursor.fail("E0303", f"there is no op {call}", call, helps=helps)
        self._add(scope, statement, op, operands, (call, self.cursor.previous))

    def _add(
        self,
        scope: Scope,
        statement: _Statement,
        op: Op,
        operands: list[Operand | None],
        call: tuple[Token, Token],
    ) -> None:
        inferred = self._infer(op, operands, call)
        self.cursor.expect(":")
        start = self.cursor.token
        declared = self._types()
        written = tuple(each.type for each in declared)
        if written != inferred:
            message = f"the op gives {listed(inferred)}, the text says {listed(written)}"
            raise self.cursor.fail("E0307", message, start, self.cursor.previous)
        scratch = self.cursor.integer() if self.cursor.accept("scratch") else None
        schedule = self.schedule() if self.cursor.accept("schedule") else None
        self._check_names(scope, statement, len(inferred))
        span = self.cursor.source.span(statement.start, self.cursor.previous)
        names = [name.text for name in statement.names]
        node = scope.graph.add(op, operands, names=names, locations=(span,))
        node.scratch, node.schedule = scratch, schedule
        for value, each in zip(node.results, declared, strict=True):
            scope.define(value, each)

    def _types(self) -> list[Declared]:
        types = [self.declared()]
        while self.cursor.accept(","):
            types.append(self.declared())
        return types

    def _check_names(self, scope: Scope, statement: _Statement, results: int) -> None:
        names = statement.names
        if len(names) != results:
            message = f"the op gives {results} values, here are names for {len(names)}"
            raise self.cursor.fail("E0308", message, names[0].token, names[-1].token)
        for index, name in enumerate(names):
            self._check_new(name, scope)
            if name.text in [other.text for other in names[:index]]:
                raise self.cursor.fail("E0305", f"{name.token} is defined twice", name.token)

    def _infer(
        self, op: Op, operands: list[Operand | None], call: tuple[Token, Token]
    ) -> tuple[TensorType, ...]:
        for problem in role_problems(op, operands):
            raise self.cursor.fail("E0308", f"{op.label}: {problem}", *call)
        try:
            return op.infer([None if o is None else o.type for o in operands])
        except OpError as problem:
            helps = (problem.help,) if problem.help else ()
            raise self.cursor.fail(
                problem.code, problem.message, *call, label=problem.label, helps=helps
            ) from None

    def _call(self, scope: Scope, op: type[Op], call: Token) -> tuple[Op, list[Operand | None]]:
        """Parse operands and attributes: `(%0, @w) {groups=3, residual=%x}`."""
        self.cursor.expect("(")
        operands = _in_slots(op, self.cursor.items(lambda: self.operand(scope), ")"))
        attributes: dict[str, Any] = {}
        slots = {spec.name: i for i, spec in enumerate(op.operands) if spec.optional}
        self.braces(lambda: self._item(scope, op, operands, slots, attributes))
        return op(**attributes), [*without_trailing_none(operands)]

    def _activate(self, scope: Scope, name: str, call: Token) -> tuple[Op, list[Operand | None]]:
        """Parse operands and parameters of an activation: `(%0) {lo=-1.0}`."""
        self.cursor.expect("(")
        operands: list[Operand | None] = [*self.cursor.items(lambda: self.operand(scope), ")")]
        given: dict[str, float] = {}
        self.braces(lambda: self._act_item(name, given))
        try:
            return Activate(activations.parse(name, given)), operands
        except ValueError as problem:
            raise self.cursor.fail("E0304", str(problem), call) from None

    def _act_item(self, name: str, given: dict[str, float]) -> None:
        token = self.cursor.token
        known = activations.parameter_names(name)
        if token.text not in known:
            helps = nearest(token.text, known)
            message = f"{name} has no attribute {token}"
            raise self.cursor.fail("E0304", message, token, helps=helps)
        if token.text in given:
            raise self.cursor.fail("E0304", f"{token} is given twice", token)
        given.update([self.act_parameter()])

    def _item(
        self,
        scope: Scope,
        op: type[Op],
        operands: list[Operand | None],
        slots: dict[str, int],
        attributes: dict[str, Any],
    ) -> None:
        """Parse an operand by name or an attribute: `residual=%x`, `groups=3`."""
        token = self.cursor.token
        name = self._word()
        types = _attribute_types()[op.mnemonic]
        if name not in types and name not in slots:
            helps = nearest(name, [*types, *slots])
            message = f"{op.mnemonic} has no attribute {token}"
            raise self.cursor.fail("E0304", message, token, helps=helps)
        if name in slots:
            operands += [None] * (slots[name] + 1 - len(operands))
        if name in attributes or (name in slots and operands[slots[name]] is not None):
            raise self.cursor.fail("E0304", f"{token} is given twice", token)
        self.cursor.expect("=")
        if name in slots:
            operands[slots[name]] = self.operand(scope)
        else:
            attributes[name] = self.attribute(name, types[name], token)

    # fused nodes

    def _fused(self, scope: Scope) -> tuple[Fused, list[Operand | None]]:
        """Parse `dw_pw(%x = %3) { … }` after `fused`."""
        token = self.cursor.token
        kind = self.identifier("a fusion")
        if scope.depth + 1 > MAX_DEPTH:
            message = f"fused nodes nest at most {MAX_DEPTH} deep"
            raise self.cursor.fail("E0306", message, token)
        body = Scope(Graph(kind), scope.constants, depth=scope.depth + 1)
        self.cursor.expect("(")
        operands = self.cursor.items(lambda: self._binding(scope, body), ")")
        wrong = self.wrong_statements
        self.cursor.expect("{")
        self._body(body)
        self.cursor.expect("}")
        if self.wrong_statements > wrong:
            raise PoisonedError
        return Fused(kind=kind, body=body.graph), [*operands]

    def _binding(self, scope: Scope, body: Scope) -> Operand:
        """Parse an input of a fused body and its operand: `%x = %3`."""
        name = self._input_name(body)
        self.cursor.expect("=")
        operand = self.view(scope)
        body.define(body.graph.add_input(name, operand.type))
        return operand


def _in_slots(op: type[Op], given: list[Operand]) -> list[Operand | None]:
    """Place positional operands in their slots; slots of operands given by name stay None."""
    slots = [i for i, spec in enumerate(op.operands) if not is_named(spec)]
    count = min(len(given), len(slots))
    operands: list[Operand | None] = [None] * (slots[count - 1] + 1 if count else 0)
    for slot, operand in zip(slots, given, strict=False):
        operands[slot] = operand
    return [*operands, *given[count:]]
