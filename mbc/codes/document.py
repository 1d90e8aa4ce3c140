"""Generate docs/errors.md from the tables: `python -m mbc.codes.document > docs/errors.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from mbc.codes import CODES, RANGES

HEAD = """\
# Errors

Every mistake that mbc finds in what you gave it has a code that stays the same from version to
version. `mbc explain E0203` prints the entry of a code. The exit status is 1, or 2 where the
command line itself makes no sense (E0101).

This page is made from the tables in `mbc/codes/`:
`python -m mbc.codes.document > docs/errors.md`.
"""


def document() -> str:
    """Write the text of the page."""
    return "\n\n".join(_paragraphs()) + "\n"


def _paragraphs() -> Iterator[str]:
    yield HEAD.rstrip()
    for prefix, subject in RANGES:
        names = [name for name in CODES if name.startswith(prefix)]
        if names:
            yield f"## {prefix}xx: {subject}"
        for name in names:
            code = CODES[name]
            yield f"### {name}: {code.title}"
            yield code.cause
            yield f"Example: {_literal(code.example)}"
            yield f"**Cure.** {code.cure}"


def _literal(example: str) -> str:
    """Format an example as code, unless it has code marks itself."""
    return example if "`" in example else f"`{example}`"


if __name__ == "__main__":
    sys.stdout.write(document())
