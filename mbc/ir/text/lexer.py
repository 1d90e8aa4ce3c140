"""The lexer. Text that matches no rule becomes a BAD token, which the parser reports."""

from __future__ import annotations

import re
from enum import Enum

from mbc.diag import Diagnostic, Location, MbcError
from mbc.records import dataclass

MAX_NUMBER_CHARS = 40


class Kind(Enum):
    """Kinds of tokens; values are their names in messages."""

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
    """A token."""

    kind: Kind
    text: str
    """The source text; "" for END."""
    line: int
    """Line of the first character, from 1."""
    column: int
    """Column of the first character, from 1."""

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
    """A text with a file name."""

    text: str
    filename: str
    """Name of the file in errors."""

    def span(self, first: Token, last: Token | None = None) -> Location:
        """Return the location from `first` to the end of `last`, or of the line if they differ."""
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
        """Make an error at a span of tokens, with the first source line."""
        where = self.span(first, last)
        lines = self.text.split("\n", where.line)
        line = lines[where.line - 1].rstrip("\r") if where.line <= len(lines) else ""
        return MbcError(Diagnostic(code, message, where, label, helps, source=line))


def tokenize(text: str) -> list[Token]:
    """Split a text into tokens, END last."""
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
