"""Links of the pages lead to files and headings that there are."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.architecture.test_files import ROOT, sources

LINK = re.compile(r"\]\(([^()\s#]*)(?:#([^()\s]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PAGES = [path.relative_to(ROOT) for path in sources(".md")]


def anchor(heading: str) -> str:
    """The name that GitHub gives a heading: the text of links, words joined by dashes."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def anchors(page: str) -> set[str]:
    """The names of a page's headings, of which equal ones are numbered."""
    found, seen = set[str](), Counter[str]()
    for heading in HEADING.findall(FENCED.sub("", page)):
        name = anchor(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def broken(page: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for file, heading in LINK.findall(FENCED.sub("", text)):
        if "://" in file or file.startswith("mailto:"):
            continue
        target = page.parent / file if file else page
        if not target.exists() or (heading and heading not in anchors(target.read_text("utf-8"))):
            found.append(f"{file}#{heading}" if heading else file)
    return found


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    path = ROOT / page
    assert broken(path, path.read_text("utf-8")) == []


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b`, and c's [d](x.md)\n\n## Twice\n\n## Twice\n")
    good = "[1](page.md) [2](#a-b-and-cs-d) [3](page.md#twice-1) [4](https://example.com/#no)\n"
    bad = "[5](no.md) [6](#no) [7](page.md#twice-2)\n"
    assert broken(page, f"{good}```\n[8](no.md)\n```\n{bad}") == ["no.md", "#no", "page.md#twice-2"]
