"""Some pages of docs/ show what the compiler does: every block is made anew and compared."""

import re

import pytest

from tests import blocks_page, views_page
from tests.views_page import SHOWN, rewrite

PAGES = {each.PAGE.name: (each.PAGE, each.SHOWS) for each in (views_page, blocks_page)}
BLOCK = re.compile(r"^```\w+$", re.MULTILINE)
MARK = re.compile(r"^<!-- (given|shows): \S+ -->$", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def _updated(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        for page, shows in PAGES.values():
            rewrite(page, shows)


@pytest.mark.parametrize(
    ("page", "name"), [(page, name) for page, (_, shows) in PAGES.items() for name in shows]
)
def test_pages_show_what_the_compiler_gives(page: str, name: str) -> None:
    path, shows = PAGES[page]
    blocks = {shown: text for _, shown, text in SHOWN.findall(path.read_text())}
    assert blocks[name] == shows[name]()


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_marked(page: str) -> None:
    path, shows = PAGES[page]
    text = path.read_text()
    assert len(BLOCK.findall(text)) == len(MARK.findall(text)) > len(shows)
    assert [name for _, name, _ in SHOWN.findall(text)] == list(shows)
