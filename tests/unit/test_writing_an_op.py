"""docs/writing-an-op.md names the files that an activation takes, and no others."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "writing-an-op.md").read_text()
ROOMS = ("mbc", "passes", "backends", "frontends")


def test_the_page_names_every_file_of_an_activation() -> None:
    named = set(re.findall(r"^\| `([\w/]+\.py)` \|", PAGE, re.MULTILINE))
    taking_part = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not any(part.is_symlink() for part in path.parents)
        and re.search(r"\bSigmoid\(", path.read_text())
    }
    assert named == taking_part


def test_the_page_names_files_and_tables_that_there_are() -> None:
    for name in re.findall(r"`((?:mbc|passes|backends|frontends|tests)/[\w/]+\.py)`", PAGE):
        assert (ROOT / name).is_file(), name
    tables = re.findall(r"`(BUILDERS|EMITTERS|KERNELS)` in\s+`([\w/]+\.py)`", PAGE)
    assert len(tables) >= 3
    assert all(
        re.search(rf"^{table}\b", (ROOT / name).read_text(), re.MULTILINE) for table, name in tables
    )
