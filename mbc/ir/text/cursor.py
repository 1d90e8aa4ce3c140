"""A cursor over tokens, with the primitives that all rules of the grammar use."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from mbc.diag import Diagnostic, MbcError
from mbc.ir.text.lexer import Kind, SourceText, Token, tokenize

MAX_PROBLEMS = 20
STATEMENT_WORDS = ("const", "arena", "return")

T = TypeVar("T")


class Name(NamedTuple):
    """The name of a value."""

    text: str
    """The name, unquoted."""
    token: Token
    """The token that spells it."""


class Cursor:
    """A token reader. Rules raise MbcError; a statement catches it, reports it and recovers."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []
        self._tokens = tokenize(source.text)
        self._index = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self._tokens[self._index]

    @property
    def previous(self) -> Token:
        """The token read last."""
        return self._tokens[max(self._index - 1, 0)]

    def ahead(self) -> Token:
        """Return the token after the next."""
        return self._tokens[min(self._index + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Read a token."""
        token = self.token
        self._index = min(self._index + 1, len(self._tokens) - 1)
        return token

    def at(self, *texts: str) -> bool:
        """Return whether the next token is one of these words or punctuation marks."""
        return self.token.text in texts and self.token.kind in (Kind.WORD, Kind.PUNCTUATION)

    def accept(self, text: str) -> bool:
        """Read a word or punctuation mark if it is the next token."""
        found = self.at(text)
        if found:
            self.take()
        return found

    def expect(self, text: str) -> Token:
        """Read a required word or punctuation mark; E0302 if another token comes."""
        if not self.at(text):
            raise self.unexpected(f"'{text}'")
        return self.take()

    def expect_kind(self, kind: Kind) -> Token:
        """Read a token of a required kind; E0302 if another token comes."""
        if self.token.kind is not kind:
            raise self.unexpected(kind.value)
        return self.take()

    def integer(self, *, least: int = 0, most: int = 2**63 - 1) -> int:
        """Read an integer; E0306 outside the limits."""
        token = self.expect_kind(Kind.NUMBER)
        try:
            value = int(token.text)
        except ValueError:
            raise self.fail("E0302", f"expected an integer, found {token}", token) from None
        if not least <= value <= most:
            raise self.fail("E0306", f"expected {least} to {most}, found {value}", token)
        return value

    def string(self) -> str:
        """Read a string literal."""
        return self._unquote(self.expect_kind(Kind.STRING))

    def symbol(self) -> str:
        """Read `@name` or `@"name"`."""
        return self._name(self.expect_kind(Kind.SYMBOL))

    def value(self) -> Name:
        """Read `%name` or `%"name"`."""
        token = self.expect_kind(Kind.VALUE)
        return Name(self._name(token), token)

    def _name(self, token: Token) -> str:
        name = token.text[1:]
        return self._unquote(token, name) if name.startswith('"') else name

    def _unquote(self, token: Token, literal: str | None = None) -> str:
        try:
            text = json.loads(token.text if literal is None else literal)
        except ValueError:
            raise self.fail("E0302", "the string has an escape that JSON lacks", token) from None
        assert isinstance(text, str)
        return text

    def items(self, rule: Callable[[], T], close: str) -> list[T]:
        """Read comma-separated items and the closing mark."""
        found: list[T] = []
        while not self.accept(close):
            if found and not self.accept(","):
                raise self.unexpected(f"',' or '{close}'")
            found.append(rule())
        return found

    # errors

    def fail(
        self,
        code: str,
        message: str,
        first: Token,
        last: Token | None = None,
        label: str = "",
        helps: tuple[str, ...] = (),
    ) -> MbcError:
        """Make an error at a span of tokens."""
        return self.source.problem(code, message, first, last, label, helps)

    def unexpected(self, wanted: str) -> MbcError:
        """Make the error for an unexpected token."""
        if self.token.kind is Kind.BAD:
            return self._bad_token()
        return self.fail("E0302", f"expected {wanted}, found {self.token}", self.token)

    def _bad_token(self) -> MbcError:
        match self.token.text[0]:
            case '"':
                return self.fail("E0301", "the string is not closed", self.token)
            case "-" | "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9":
                return self.fail("E0306", "the number is too long", self.token)
            case _:
                return self.fail("E0301", f"{self.token} cannot stand in IR text", self.token)

    def report(self, problem: MbcError) -> None:
        """Record an error, one per place and code; raise all at `MAX_PROBLEMS`."""
        for diagnostic in problem.diagnostics:
            known = {(p.location, p.code) for p in self.problems}
            if (diagnostic.location, diagnostic.code) not in known:
                self.problems.append(diagnostic)
        if len(self.problems) >= MAX_PROBLEMS:
            raise MbcError(*self.problems)

    def mark(self) -> int:
        """Return the current position, for `recover`."""
        return self._index

    def recover(self, start: int) -> None:
        """Skip the rest of the statement that began at `start`, with any block that it opened, to
        a line that begins another statement."""
        failed, blocks, braces, index = self._index, 0, 0, start
        while self._tokens[index].kind is not Kind.END:
            token = self._tokens[index]
            if self._begins_line(index):
                braces = 0  # attributes end with their line, so open braces there are not a block
            if index > start and index >= failed and max(blocks, braces) <= 0 and self._ends(index):
                break
            if token.text == "{":
                block = self._begins_line(index + 1)
                blocks, braces = blocks + block, braces + (not block)
            elif token.text == "}":
                blocks, braces = blocks - (braces <= 0), braces - (braces > 0)
            index += 1
        self._index = index

    def _begins_line(self, index: int) -> bool:
        return index > 0 and self._tokens[index].line > self._tokens[index - 1].line

    def _ends(self, index: int) -> bool:
        """Return whether a statement ends here: the block closes, or a line begins another one."""
        token = self._tokens[index]
        begins = token.kind is Kind.VALUE or token.text in STATEMENT_WORDS
        return token.text == "}" or (begins and self._begins_line(index))
