"""Generate docs/remarks.md from the table: `python -m mbc.remarks.document > docs/remarks.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from mbc.remarks import PASSES

HEAD = """\
# Remarks

A pass says in remarks what it did, and why it left something as it is. Each has an id that stays
the same from version to version: the name of the pass and a reason. `--remarks` prints them,
`mbc inspect FILE --why NAME` those on one value ([inspect.md](inspect.md)), and
`mbc explain fuse-activation.shared` the entry of an id. `quantise` runs some of the other passes
first; their remarks keep their ids.

This page is made from the tables in `mbc/remarks/`:
`python -m mbc.remarks.document > docs/remarks.md`.
"""


def document() -> str:
    """Write the text of the page."""
    return "\n\n".join(_paragraphs()) + "\n"


def _paragraphs() -> Iterator[str]:
    yield HEAD.rstrip()
    for name, reasons in PASSES.items():
        yield f"## {name}"
        rows = "\n".join(f"| `{name}.{reason}` | {text} |" for reason, text in reasons.items())
        yield f"| id | meaning |\n|---|---|\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(document())
