"""Each golden case gives what its file says, and its passes have nothing left to do after it."""

from pathlib import Path

import pytest

from mbc.ir.text.printer import print_graph
from mbc.passes.pipelines import PASSES
from tests.golden_cases import FOLDER, SEPARATOR, Case, cases, read, write

CASES = cases()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.mbc")), ids=lambda path: path.stem)
def test_golden(path: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        write(path)
    for case in read(path):
        assert case.outcome() == case.expected, str(case)


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_error], ids=str)
def test_passes_are_idempotent(case: Case) -> None:
    graph = case.graph()
    case.run(graph)
    once = print_graph(graph)
    again = case.run(graph)
    assert print_graph(graph) == once
    assert not [record.step.name for record in again if record.result.changed]


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_error], ids=str)
def test_a_pass_says_whether_it_changed_the_graph(case: Case) -> None:
    assert any(record.result.changed for record in case.run(case.graph())) != case.is_unchanged


@pytest.mark.parametrize("name", [p.name for p in PASSES])
def test_every_pass_has_a_positive_and_a_negative_case(name: str) -> None:
    own = [case for case in CASES if case.file.stem == name.replace("-", "_")]
    assert any("// REMARK" in case.expected and not case.is_unchanged for case in own)
    assert name == "plan-memory" or any(
        "// REMARK" in case.expected and case.is_unchanged for case in own
    )


def test_a_file_is_read_as_it_is_written() -> None:
    for path in FOLDER.glob("*.mbc"):
        text = SEPARATOR.join(case.render(case.expected) for case in read(path))
        assert text + "\n" == path.read_text(), path
