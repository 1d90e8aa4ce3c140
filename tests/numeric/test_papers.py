"""The pages count as the papers' tables print, or a reason is given."""

import json
from importlib import resources

import pytest

from mbc.driver.papers import compare_paper
from mbc.ir.graph import Graph
from mbc.papers import PAPERS
from mbc.papers.compare import Cell, Compared, compare
from mbc.papers.counts import Unknown
from mbc.papers.tables import Column, Paper, Row, Table, read_paper
from tests.e2e.support import done, mbc

CELLS = {  # those that a page has, and how many of them agree
    "mobilenet_v1": (135, 131),
    "mobilenet_v2": (114, 108),
    "shufflenet_v1": (61, 57),
    "shufflenet_v2": (55, 50),
}


def cells_of(compared: list[Compared]) -> list[tuple[str, Cell]]:
    return [
        (f"{found.table.name}, {row.of}, {column.name}", cell)
        for found in compared
        for row, cells in zip(found.table.rows, found.cells, strict=True)
        for column, cell in zip(found.table.columns, cells, strict=True)
    ]


@pytest.mark.parametrize("name", PAPERS)
def test_every_cell_agrees_or_has_a_reason(name: str) -> None:
    cells = cells_of(list(compare_paper(read_paper(name))))
    assert [place for place, cell in cells if not cell.agrees and not cell.why] == []
    ours = [cell for _, cell in cells if cell.ours]
    assert (len(ours), sum(cell.agrees for cell in ours)) == CELLS[name]


@pytest.mark.parametrize("name", PAPERS)
def test_every_reason_is_needed(name: str) -> None:
    """A reason that a row gives for a cell that agrees would be wrong."""
    for found in compare_paper(read_paper(name)):
        for row, cells in zip(found.table.rows, found.cells, strict=True):
            columns = [column.name for column in found.table.columns]
            for column in row.why or {}:
                assert not cells[columns.index(column)].agrees, (found.table.name, row.of, column)


def test_the_papers_are_the_files() -> None:
    files = [file.name for file in resources.files("mbc.papers.data").iterdir()]
    assert sorted(f for f in files if f.endswith(".toml")) == [f"{name}.toml" for name in PAPERS]


def compared(printed: str, **column: str) -> Cell:
    """A cell of MobileNetV1's parameters, 4,231,976, in millions."""
    columns = (Column("x", "parameters", unit=1e6, **column),)
    row = Row("a", (printed,), "mobilenet_v1", {})
    (found,) = compare_paper(Paper("", "", (Table("t", "", columns, (row,)),)))
    return found.cells[0][0]


@pytest.mark.parametrize(
    ("printed", "rounding", "agrees"),
    [
        ("4.2", "nearest", True),
        ("4.23", "nearest", True),
        ("4.232", "nearest", True),
        ("4.232", "down", False),
        ("4.231", "down", True),
        ("4", "nearest", True),
        ("5", "nearest", False),
        ("4.20", "nearest", False),
    ],
)
def test_cells_are_compared_in_their_own_digits(printed: str, rounding: str, agrees: bool) -> None:
    cell = compared(printed, rounding=rounding, why="known")
    assert cell == Cell(printed, "4.232", agrees, "" if agrees else "known")


@pytest.mark.parametrize(("count", "layer"), [("mac", ""), ("input", "stem.deep")])
def test_what_is_not_there_cannot_be_counted(count: str, layer: str) -> None:
    row = Row("a", ("1",), "mobilenet_v1", {}, layer)
    paper = Paper("", "", (Table("t", "", (Column("x", count),), (row,)),))
    with pytest.raises(Unknown):
        list(compare_paper(paper))


def test_rows_without_a_page_trace_nothing() -> None:
    def trace(*_: object) -> Graph:
        raise AssertionError

    row = Row("AlexNet", ("60",), "", {}, absent="no page")
    paper = Paper("", "", (Table("t", "", (Column("x", "macs"),), (row,)),))
    assert [found.cells for found in compare(paper, trace)] == [
        ((Cell("60", "", True, "no page"),),)
    ]


def test_the_command() -> None:
    out = done("report", "--paper", "mobilenet_v1").out
    assert "\nConv dw           2  1 ✗ (1)       3x3x1024  3x3x1024 ✓" in out
    assert "\n(1) misprint for 1.91: the printed column sums up to 99.29\n" in out
    assert out.endswith("\n131 of 135 cells agree in the printed digits\n")
    found = json.loads(done("report", "--paper", "shufflenet_v2", "--json").out)
    row = found["tables"][1]["rows"][0]
    assert (row["of"], row["page"], row["parameters"]) == (
        "0.5x",
        "shufflenet_v2.py",
        {"scale": "0.5"},
    )
    flops = row["cells"]["M FLOPs"]
    assert (flops["printed"], flops["ours"], flops["agrees"]) == ("41", "40.476", False)
    assert flops["why"]


def test_the_command_refuses_what_it_would_ignore() -> None:
    assert "not with --target" in mbc("report", "--paper", "mobilenet_v1", "--target=arm64").err
    assert "not with FILE" in mbc("report", "net.py", "--paper", "mobilenet_v1").err
    assert mbc("report").status == mbc("report", "--paper", "alexnet").status == 2
