"""Text to tokens. What fits no rule becomes a BAD token, which the parser reports in its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from mbc.diag import Diagnostic, Location, MbcError

MAX_NUMBER_CHARS = 40


class Kind(Enum):
    """Kinds of tokens; the value is what messages call them."""

    VALUE = "a value such as %0"
    SYMBOL = "a name such as @w"
    HASH = "a content hash"
    STRING = "a string"
    NUMBER = "a number"
    WORD = "a word"
    PUNCTUATION = "punctuation"
    END = "the end of the file"
    BAD = "what is no token"


RULES = re.compile(
    r"""
    (?P<SKIP>[ \t\r]+|//[^\n]*)
  | (?P<NEWLINE>\n)
  | (?P<VALUE>%(?:[A-Za-z0-9_][A-Za-z0-9_.]*|"(?:\\.|[^"\\\n])*"))
  | (?P<SYMBOL>@(?:[A-Za-z_][A-Za-z0-9_.]*|"(?:\\.|[^"\\\n])*"))
  | (?P<HASH>\#[0-9a-f]+)
  | (?P<STRING>"(?:\\.|[^"\\\n])*")
  | (?P<NUMBER>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
  | (?P<WORD>[A-Za-z_][A-Za-z0-9_.]*)
  | (?P<PUNCTUATION>->|[(){}\[\],:=*+])
  | (?P<BAD>"[^\n]*|.)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token with its place, counted from 1."""

    kind: Kind
    text: str
    line: int
    column: int

    @property
    def end_column(self) -> int:
        """The column after the last character."""
        return self.column + len(self.text)

    def __str__(self) -> str:
        if self.kind is Kind.END:
            return str(self.kind.value)
        return f"'{self.text}'" if self.text.isprintable() else ascii(self.text)


@dataclass(frozen=True)
class SourceText:
    """A text with the name under which errors show it."""

    text: str
    filename: str

    def span(self, first: Token, last: Token | None = None) -> Location:
        """The place from one token to the end of another, or of its line."""
        last = last or first
        if last.line == first.line:
            return Location(self.filename, first.line, first.column, last.end_column)
        return Location(self.filename, first.line, first.column)

    def problem(
        self,
        code: str,
        message: str,
        first: Token,
        last: Token | None = None,
        label: str = "",
        helps: tuple[str, ...] = (),
    ) -> MbcError:
        """An error at a span of tokens, with the line it stands on."""
        where = self.span(first, last)
        lines = self.text.split("\n", where.line)
        line = lines[where.line - 1].rstrip("\r") if where.line <= len(lines) else ""
        return MbcError(Diagnostic(code, message, where, label, helps, source=line))


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, END last."""
    tokens: list[Token] = []
    line, start = 1, 0
    for match in RULES.finditer(text):
        group = match.lastgroup or "BAD"
        if group == "NEWLINE":
            line, start = line + 1, match.end()
        elif group != "SKIP":
            kind = _checked(Kind[group], match.group())
            tokens.append(Token(kind, match.group(), line, match.start() - start + 1))
    tokens.append(Token(Kind.END, "", line, len(text) - start + 1))
    return tokens


def _checked(kind: Kind, text: str) -> Kind:
    return Kind.BAD if kind is Kind.NUMBER and len(text) > MAX_NUMBER_CHARS else kind
