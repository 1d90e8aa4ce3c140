"""Every mistake in a network's file has the message that dsl_errors.golden shows.

A case is a line `=== title -D name=value …`, the user's file, `---`, the rendered diagnostics. Line
numbers are those of the case's own file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from mbc.codes import CODES
from mbc.diag import MbcError, render
from mbc.frontends.dsl import load_network

GOLDEN = Path(__file__).with_name("dsl_errors.golden")


@dataclass(frozen=True)
class Case:
    title: str
    source: str
    expected: str

    @property
    def params(self) -> dict[str, str]:
        words = re.findall(r"-D (\w+)=(\S+)", self.title)
        return dict(words)


def read_cases() -> list[Case]:
    texts = GOLDEN.read_text("utf-8").split("=== ")[1:]
    heads = [text.partition("\n") for text in texts]
    bodies = [body.partition("---\n") for _, _, body in heads]
    return [
        Case(title, source, expected)
        for (title, _, _), (source, _, expected) in zip(heads, bodies, strict=True)
    ]


CASES = read_cases()


def outcome(case: Case, folder: Path) -> str:
    """What a user sees, with the folder left out."""
    path = folder / "net.py"
    path.write_text(case.source, "utf-8")
    with pytest.raises(MbcError) as caught:
        load_network(path).trace(case.params)
    text = "\n".join(render(diagnostic) for diagnostic in caught.value.diagnostics)
    return text.replace(f"{folder}/", "") + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_message(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        pytest.skip("rewritten by test_update")
    assert outcome(case, tmp_path) == case.expected


def test_update(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    titles = [case.title for case in CASES]
    assert len(set(titles)) == len(titles)
    if request.config.getoption("--update-golden"):
        texts = [f"=== {c.title}\n{c.source}---\n{outcome(c, tmp_path)}" for c in CASES]
        GOLDEN.write_text("".join(texts), "utf-8")


def test_every_code_of_the_frontend_is_shown() -> None:
    shown = set(re.findall(r"error\[(E\d+)\]", GOLDEN.read_text("utf-8")))
    elsewhere = {"E0113", "E0203", "E0207", "E0212"}  # test_dsl.py, the IR text's tests
    elsewhere |= {"E0114", "E0115", "E0116"}  # test_sweep.py
    wanted = {code for code in CODES if code.startswith(("E011", "E02"))} - elsewhere
    assert wanted <= shown, sorted(wanted - shown)
