"""A report in a browser, and what went wrong there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from mbc.driver.configuration import resolve_request
from mbc.driver.inspect import inspect
from mbc.driver.request import Request, Silent
from mbc.inspect.page import make_page

VIEWS = ("overview", "graph", "ir", "layers", "roofline", "memory")
DRAWN = "() => report.views.graph.scene && report.views.graph.drawn > 0"


def data_of(file: Path, **options: Any) -> dict[str, Any]:
    """The object of `mbc inspect --json`."""
    request = Request(file, **options)
    return inspect(resolve_request(request), Silent()).to_json()


@dataclass
class Opened:
    """A report in a page of the browser."""

    page: Page
    problems: list[str] = field(default_factory=list)
    """Errors of the console, exceptions, and requests for anything but the file."""
    address: str = ""
    """That of the file."""

    def __post_init__(self) -> None:
        self.page.on("console", self._listen)
        self.page.on("pageerror", self._failed)
        self.page.on("request", self._asked)

    def close(self) -> None:
        """Listen no more."""
        self.page.remove_listener("console", self._listen)
        self.page.remove_listener("pageerror", self._failed)
        self.page.remove_listener("request", self._asked)

    def open(self, file: Path, place: str = "") -> None:
        """Open a report at a place in it, anew if it is open."""
        self.page.goto("about:blank")
        self.address = file.as_uri()
        self.page.goto(f"{self.address}#{place}")
        self.page.wait_for_function("() => window.report")

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _failed(self, error: Any) -> None:
        self.problems.append(str(error))

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "blob:", "about:")):
            self.problems.append(f"asked for {request.url}")

    def show(self, view: str) -> None:
        """Show a view by its tab."""
        self.page.locator(f"#tab-{view}").click()
        if view == "graph":
            self.page.wait_for_function(DRAWN)

    def state(self, name: str) -> Any:
        """What is shown: the `view`, the `stage`, the `node`."""
        return self.page.evaluate(f"report.state.{name}")

    def text(self, selector: str) -> str:
        """The text of an element."""
        return self.page.locator(selector).first.inner_text()


def save(data: dict[str, Any], folder: Path) -> Path:
    """Write a report."""
    file = folder / "report.html"
    file.write_text(make_page(data), "utf-8")
    return file
