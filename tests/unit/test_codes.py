"""Every error code in use is explained, and the document is made from the table."""

import ast
import re
from pathlib import Path

import pytest

from mbc.codes import CODES, RANGES, merge
from mbc.codes.code import Code
from mbc.codes.document import document

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"E0\d{3}")


def used_codes() -> dict[str, set[str]]:
    """Code -> files of Python and C whose string constants are exactly that code, the tables left
    out."""
    used: dict[str, set[str]] = {}
    folders = [ROOT / name for name in ("mbc", "frontends", "passes", "backends")]
    paths = {path.resolve() for folder in folders for path in folder.rglob("*.py")}
    for path in sorted(p for p in paths if ROOT / "mbc" / "codes" not in p.parents):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and CODE.fullmatch(str(node.value)):
                used.setdefault(str(node.value), set()).add(str(path.relative_to(ROOT)))
    for path in sorted((ROOT / "mbc" / "runtime" / "c").glob("*.[ch]")):
        for code in re.findall(r'"(E\d{4})"', path.read_text("utf-8")):
            used.setdefault(code, set()).add(str(path.relative_to(ROOT)))
    return used


def test_every_code_in_use_is_explained() -> None:
    missing = {code: files for code, files in used_codes().items() if code not in CODES}
    assert not missing, "\n".join(f"{code}: {', '.join(files)}" for code, files in missing.items())


def test_every_explained_code_is_in_use() -> None:
    assert set(CODES) - set(used_codes()) == set()


@pytest.mark.parametrize("name", CODES)
def test_a_page_is_complete(name: str) -> None:
    code = CODES[name]
    assert CODE.fullmatch(name)
    assert any(name.startswith(prefix) for prefix, _ in RANGES)
    assert all((code.title, code.cause, code.example, code.cure))
    assert not code.title.endswith(".")
    assert code.cause.endswith(".")


def test_a_code_has_one_meaning() -> None:
    one = {"E0999": Code("a", "b.", "c", "d")}
    with pytest.raises(ValueError, match="E0999"):
        merge([one, one])


def test_the_document_is_current() -> None:
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert text == document(), "run: python -m mbc.codes.document > docs/errors.md"
