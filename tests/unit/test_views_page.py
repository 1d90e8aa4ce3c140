"""docs/views.md shows what the compiler does: every block of it is made anew and compared."""

import re

import pytest

from tests.views_page import PAGE, SHOWN, SHOWS, answers, rewrite

BLOCK = re.compile(r"^```\w+$", re.MULTILINE)
MARK = re.compile(r"^<!-- (given|shows): \S+ -->$", re.MULTILINE)
PERFORMANCE = PAGE.with_name("performance.md")


@pytest.fixture(scope="module", autouse=True)
def _updated(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        rewrite()


@pytest.mark.parametrize("name", SHOWS)
def test_the_page_shows_what_the_compiler_gives(name: str) -> None:
    blocks = {shown: text for _, shown, text in SHOWN.findall(PAGE.read_text())}
    assert blocks[name] == SHOWS[name]()


def test_every_block_is_marked() -> None:
    text = PAGE.read_text()
    assert len(BLOCK.findall(text)) == len(MARK.findall(text)) > len(SHOWS)
    assert [name for _, name, _ in SHOWN.findall(text)] == list(SHOWS)


def test_what_is_quoted_between_the_blocks_stands_in_them() -> None:
    """Offsets, pitches and constants that sentences speak of, and the measured ratio."""
    text = PAGE.read_text()
    blocks = "".join(block for _, _, block in SHOWN.findall(text))
    quoted = re.findall(r"`(at \d+(?: pitch \d+)?|@[\w.]+)`", text)
    assert len(quoted) >= 3
    assert all(each in blocks for each in quoted), quoted
    (ratio,) = re.findall(r"takes (\d\.\d+) times", text)
    assert f"| ShuffleNetV1 1x, g=3 | 2.54 | 2.54 | {ratio} |" in PERFORMANCE.read_text()


def test_the_unit_computes_the_same_after_each_step() -> None:
    before, *after = answers()
    assert before.any()
    assert all((answer == before).all() for answer in after)
