"""docs/blocks.md shows what the compiler does: every block of it is made anew and compared."""

import re

import pytest

from tests.blocks_page import PAGE, SHOWS, rewrite
from tests.views_page import SHOWN


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
    marks = re.findall(r"^<!-- (?:given|shows): \S+ -->$", text, re.MULTILINE)
    assert len(re.findall(r"^```\w+$", text, re.MULTILINE)) == len(marks) > len(SHOWS)
    assert [name for _, name, _ in SHOWN.findall(text)] == list(SHOWS)


def test_what_is_said_of_the_layers_holds() -> None:
    """Ten times the limit of the board, and hardly more than it."""
    rows = [line.split() for line in SHOWS["separable-layers"]().splitlines()[1:]]
    depthwise, pointwise = (float(row[-1]) / (12 / 8) for row in rows)
    assert 1 < depthwise < 2
    assert pointwise > 10
