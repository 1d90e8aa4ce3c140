"""The parts of a sweep: values, conditions, fronts, weights by name, and the file of results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mbc.diag import MbcError
from mbc.driver.sweep.results import Header, Results
from mbc.driver.sweep.weights import weights_for
from mbc.report.canvas import CANVASES
from mbc.report.sweep.axes import MOST_POINTS, Point, points_of, values_of
from mbc.report.sweep.front import Goal, front, fronts, goals_of
from mbc.report.sweep.picture import Axis, draw_sweep, size_of
from mbc.report.sweep.rows import COLUMNS, Failure, Row
from mbc.report.sweep.where import COMPARISONS, UNITS, meets, parse_condition

# ---- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.25,0.5,0.75,1.0", ["0.25", "0.5", "0.75", "1.0"]),
        ("128:224:32", ["128", "160", "192", "224"]),
        ("128:220:32", ["128", "160", "192"]),
        ("224:128:-32", ["224", "192", "160", "128"]),
        ("0.25:1:0.25", ["0.25", "0.5", "0.75", "1"]),
        ("0.1:0.3:0.1", ["0.1", "0.2", "0.3"]),
        ("8,16:32:8,64", ["8", "16", "24", "32", "64"]),
        ("100:300:100", ["100", "200", "300"]),
        ("5:5:1", ["5"]),
        ("small, large", ["small", "large"]),
        ("true", ["true"]),
        ("1e-5", ["1e-5"]),
    ],
)
def test_lists_and_ranges(text: str, values: list[str]) -> None:
    assert list(values_of("a", text)) == values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty value"),
        ("1,", "empty value"),
        ("1,,2", "empty value"),
        ("1:2", "FIRST:LAST:STEP in numbers, found '1:2'"),
        ("1:2:3:4", "FIRST:LAST:STEP"),
        ("a:b:c", "FIRST:LAST:STEP"),
        ("1:inf:1", "FIRST:LAST:STEP"),
        ("1:nan:1", "FIRST:LAST:STEP"),
        ("1:2:0", "1 comes to 2 by no steps of 0"),
        ("1:2:-1", "1 comes to 2 by no steps of -1"),
        ("0:1:1e-9", "has 1,000,000,001 values"),
        ("0.5,0.50", "has 0.50 twice"),
        ("128:224:32,192", "has 192 twice"),
        ("a,a", "has a twice"),
    ],
)
def test_values_that_are_none(text: str, words: str) -> None:
    with pytest.raises(MbcError, match=f"E0114.*{re.escape(words)}"):
        values_of("a", text)


def test_points_are_every_combination() -> None:
    points = points_of(["rpi4", "native"], {"a": ["1", "2"], "b": ["x"]})
    assert [str(point) for point in points] == [
        "rpi4 a=1 b=x",
        "rpi4 a=2 b=x",
        "native a=1 b=x",
        "native a=2 b=x",
    ]
    assert [str(point) for point in points_of(["rpi4"], {})] == ["rpi4"]


def test_no_more_points_than_anyone_waits_for() -> None:
    many = [str(i) for i in range(MOST_POINTS)]
    assert len(points_of(["native"], {"a": many})) == MOST_POINTS
    with pytest.raises(MbcError, match=r"E0114.*20,000 points"):
        points_of(["native", "rpi4"], {"a": many})


# ---- conditions ------------------------------------------------------------------------------


def row(target: str = "native", **figures: float) -> Row:
    return Row(Point(target, (("alpha", "0.5"), ("act", "relu"))), figures)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("arena<1MB", True),
        ("arena < 999KB", False),
        ("arena<=999.5 KB", True),
        ("arena==999500", True),
        ("arena==999500B", True),
        ("arena!=999500", False),
        ("arena<1MiB", True),
        ("arena>0.9GB", False),
        ("arena<976KiB", False),
        ("arena<1GiB", True),
        ("macs>5M", True),
        ("macs>5.1 M", False),
        ("macs>5000K", True),
        ("macs<1G", True),
        ("macs>=5050000", True),
        ("measured<2ms", True),
        ("measured<1.4ms", False),
        ("measured>1400us", True),
        ("measured<0.002s", True),
        ("accuracy>=70%", True),
        ("accuracy>0.71", False),
        ("alpha<1", True),
        ("alpha>0.5", False),
        ("macs>1e6", True),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    found = row(arena=999_500, macs=5_050_000, measured=1.5, accuracy=0.705)
    assert parse_condition(text, ["alpha"]).holds(found) is holds
    assert meets(found, [parse_condition(text, ["alpha"])]) is holds


def test_every_comparison_and_unit_is_taken() -> None:
    for comparison in COMPARISONS:
        parse_condition(f"arena{comparison}1", [])
    for name, column in COLUMNS.items():
        for unit in UNITS[column.kind]:
            parse_condition(f"{name}<1{unit}", [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("arena", "found 'arena'"),
        ("arena<", "found 'arena<'"),
        ("arena=1MB", "found 'arena=1MB'"),
        ("arena<-1", "found"),
        ("arena<1MB and macs<1M", "found"),
        ("__import__('os')<1", "found"),
        ("arna<1MB", "no column 'arna'"),
        ("arena<1ms", "arena has no unit 'ms'"),
        ("arena<1mb", "arena has no unit 'mb'"),
        ("measured<5", "measured has no unit ''"),
        ("alpha<1MB", "alpha has no unit 'MB'"),
    ],
)
def test_conditions_that_are_none(text: str, words: str) -> None:
    with pytest.raises(MbcError, match=f"E0115.*{re.escape(words)}"):
        parse_condition(text, ["alpha"])


def test_what_is_not_known_meets_no_condition_in_the_end() -> None:
    slow = [parse_condition("measured<1ms", [])]
    assert not meets(row(arena=1), slow)
    assert meets(row(arena=1), slow, so_far=True)
    assert not meets(row(measured=2), slow, so_far=True)
    assert not meets(row(), [parse_condition("act<1", ["act"])])  # relu is no number


def test_failures_are_never_left_out() -> None:
    failed = replace(row(), failure=Failure("E0201", "no", refused=True))
    assert meets(failed, [parse_condition("arena<1MB", [])])


# ---- fronts ----------------------------------------------------------------------------------


def rows_of(figures: Sequence[tuple[float, float]], target: str = "native") -> list[Row]:
    return [row(target, accuracy=accuracy, measured=ms) for accuracy, ms in figures]


GOALS = (Goal("accuracy", most=True), Goal("measured"))


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ([(0.7, 10), (0.6, 5), (0.5, 6), (0.7, 11)], [0, 1]),
        ([(0.5, 1), (0.6, 2), (0.7, 3)], [0, 1, 2]),
        ([(0.7, 1), (0.6, 2), (0.5, 3)], [0]),
        ([(0.7, 1), (0.7, 1)], [0, 1]),  # neither beats the other
        ([(0.7, 2), (0.7, 1)], [1]),
        ([], []),
    ],
)
def test_the_front(figures: list[tuple[float, float]], best: list[int]) -> None:
    rows = rows_of(figures)
    assert front(rows, GOALS) == [rows[i] for i in best]


def test_rows_without_all_figures_are_not_on_a_front() -> None:
    whole, part = row(accuracy=0.5, measured=1), row(accuracy=0.9)
    assert front([whole, part], GOALS) == [whole]


def test_targets_have_fronts_of_their_own() -> None:
    fast = row("native", macs=10, measured=1, arena=5, file=5)
    slow = row("rpi4", macs=10, predicted=9, arena=5, file=5)
    worse = row("rpi4", macs=10, predicted=9, arena=6, file=5)
    assert fronts([fast, slow, worse]) == [fast, slow]


def test_what_a_front_weighs() -> None:
    def columns(*figures: dict[str, float]) -> list[str]:
        return [
            goal.column for goal in goals_of([replace(row(), figures=each) for each in figures])
        ]

    sizes = {"macs": 1.0, "arena": 1.0, "file": 1.0, "predicted": 1.0}
    assert columns(sizes) == ["macs", "predicted", "arena", "file"]
    assert columns(sizes | {"measured": 1}) == ["macs", "measured", "arena", "file"]
    assert columns(sizes | {"measured": 1}, sizes) == ["macs", "predicted", "arena", "file"]
    assert columns(sizes | {"accuracy": 0.5})[0] == "accuracy"


# ---- the picture -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 10], [0, 2, 4, 6, 8, 10]),
        ([3.1, 7.9], [3, 4, 5, 6, 7, 8]),
        ([5, 5], [5, 6]),
        ([0, 0], [0, 0.2]),
        ([41e6, 569e6], [0, 2e8, 4e8, 6e8]),
    ],
)
def test_ticks_are_round_and_around_the_values(values: list[float], ticks: list[float]) -> None:
    axis = Axis.around(values)
    assert axis.ticks == pytest.approx(ticks)
    assert all(0 <= axis.share(value) <= 1 for value in values)


def test_the_picture_shows_every_point() -> None:
    rows = [
        Row(Point(target, (("a", a),)), dict.fromkeys(COLUMNS, size))
        for target in ("native", "rpi4")
        for a, size in (("1", 0.25), ("2", 0.75))
    ]
    canvas = CANVASES[".svg"](*size_of(rows))
    draw_sweep(canvas, rows, "<net>")
    tree = ElementTree.fromstring(canvas.content())
    space = "{http://www.w3.org/2000/svg}"
    words = [text.text for text in tree.iter(f"{space}text")]
    assert words[:3] == ["<net> by a", "native", "rpi4"]
    assert {column.title for column in COLUMNS.values()} <= set(words)
    assert len([*tree.iter(f"{space}circle")]) == 2 + 6 * 4  # the legend, and six panels
    canvas = CANVASES[".png"](*size_of(rows))
    draw_sweep(canvas, rows, "net")
    assert canvas.content().startswith(b"\x89PNG")


# ---- weights ---------------------------------------------------------------------------------


POINT = Point("native", (("alpha", "0.5"), ("resolution", "160")))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["net.npz"], "net.npz"),
        (["net.npz", "net-alpha=0.5.pth", "net-alpha=1.pth"], "net-alpha=0.5.pth"),
        (["net-alpha=0.50.safetensors"], "net-alpha=0.50.safetensors"),
        (["net-alpha=0.5.npz", "net-resolution=160-alpha=0.5.npz"], None),
        (["net-resolution=160-alpha=0.5.npz", "net-alpha=0.5.txt"], None),
    ],
)
def test_weights_by_name(tmp_path: Path, names: list[str], chosen: str | None) -> None:
    for name in names:
        (tmp_path / name).touch()
    expected = chosen or "net-resolution=160-alpha=0.5.npz"
    assert weights_for(tmp_path, "net", POINT).name == expected


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "has no weights of native alpha=0.5 resolution=160"),
        (["net-alpha=1.npz", "other.npz", "net-width=8.npz", "net"], "has no weights"),
        (["net-alpha=0.5.npz", "net-resolution=160.npz"], "several weights"),
        (["net.npz", "net.pth"], "several weights"),
    ],
)
def test_weights_that_no_name_gives(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(MbcError, match=f"E0417.*{words}"):
        weights_for(tmp_path, "net", POINT)


# ---- results ---------------------------------------------------------------------------------


A, B = Point("native", (("a", "1"),)), Point("rpi4", (("a", "1"),))
SETTINGS = {"rounds": "3"}


def test_lines_of_a_point_add_up(tmp_path: Path) -> None:
    path = tmp_path / "below" / "r.jsonl"
    results = Results(path, [A, B])
    results.begin(Header(SETTINGS, 3000.0))
    results.put(A, figures={"macs": 5.0})
    results.put(B, failure=Failure("E0201", "no", refused=True))
    results.put(A, figures={"measured": 1.5}, median_ms=2.0, measured_on="here")
    results.close()
    again = Results(path, [B, A])
    assert again.resume(SETTINGS) == Header(SETTINGS, 3000.0)
    again.close()
    assert again.rows == results.rows
    assert again.rows[A] == Row(A, {"macs": 5.0, "measured": 1.5}, 2.0, "here")
    assert list(again.rows) == [B, A]


def test_what_failed_is_tried_again_but_what_was_refused(tmp_path: Path) -> None:
    results = Results(tmp_path / "r", [A, B])
    results.begin(Header(SETTINGS, None))
    results.put(A, failure=Failure("E0634", "lost", refused=False))
    results.put(B, failure=Failure("E0201", "no", refused=True))
    results.close()
    again = Results(tmp_path / "r", [A, B])
    again.resume(SETTINGS)
    again.close()
    assert again.rows[A].failure is None
    assert again.rows[B].failure is not None


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_a_torn_line_is_found_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "r"
    results = Results(path, [A, B])
    results.begin(Header(SETTINGS, None))
    results.put(A, figures={"macs": 5.0})
    results.put(B, figures={"macs": 6.0})
    results.close()
    path.write_text(path.read_text()[:-cut])
    again = Results(path, [A, B])
    again.resume(SETTINGS)
    again.put(B, figures={"macs": 6.0})
    again.close()
    third = Results(path, [A, B])
    third.resume(SETTINGS)
    third.close()
    assert [found.figures["macs"] for found in third.rows.values()] == [5.0, 6.0]


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("", SETTINGS, "no file of results"),
        ("{}\n", SETTINGS, "no file of results"),
        ("no json\n", SETTINGS, "no file of results"),
        ('{"mbc_sweep": 99, "settings": {}, "mhz": 1}\n', SETTINGS, "no file of results"),
        (Header(SETTINGS, 1).line(), {"rounds": "4"}, "the results of another sweep"),
        (Header(SETTINGS, 1).line(), {"rounds": "3", "seed": "1"}, "the results of another sweep"),
    ],
)
def test_results_of_something_else(
    tmp_path: Path, text: str, settings: dict[str, str], words: str
) -> None:
    (tmp_path / "r").write_text(text)
    with pytest.raises(MbcError, match=f"E0116.*{words}"):
        Results(tmp_path / "r", [A]).resume(settings)
    assert (tmp_path / "r").read_text() == text


def test_results_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MbcError, match="E0701"):
        Results(tmp_path / "r", [A]).resume(SETTINGS)
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    with pytest.raises(MbcError, match="E0116"):
        Results(tmp_path / "b", [A]).resume(SETTINGS)
