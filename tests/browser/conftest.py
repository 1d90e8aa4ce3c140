"""A browser for each worker, and a page for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.opened import Opened, data_of, save
from tests.example_networks import EXAMPLES


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "no chromium here: make test-tools installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def page(browser: Browser) -> Iterator[Page]:
    """A page for all tests of a worker: a new one costs more time than most of them."""
    made = browser.new_page(viewport={"width": 1280, "height": 800})
    yield made
    made.close()


@pytest.fixture
def opened(page: Page) -> Iterator[Opened]:
    """The page, as if it were new; at the end nothing may have gone wrong in it."""
    page.emulate_media(media="screen", color_scheme="light")
    found = Opened(page)
    yield found
    page.evaluate("localStorage.clear()")
    page.goto("about:blank")
    found.close()
    assert found.problems == []


@pytest.fixture(scope="session")
def shuffled() -> dict[str, Any]:
    """What is known of a small ShuffleNet."""
    return data_of(
        EXAMPLES / "shufflenet_v2.py", params={"resolution": "64", "scale": "0.5"}, target="rpi4"
    )


@pytest.fixture(scope="session")
def report(shuffled: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report."""
    return save(shuffled, tmp_path_factory.mktemp("report"))
