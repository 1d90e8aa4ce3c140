"""The page of `mbc inspect --html`: one file with its style, scripts and data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from mbc.inspect.libraries import ASSETS, Library, libraries
from mbc.inspect.modules import join
from mbc.inspect.packing import pack

PLACE = re.compile(r"@([A-Z]+)@")


def make_page(data: Mapping[str, Any]) -> str:
    """Return the page for the object of `mbc inspect --json`."""
    parts = {
        "TITLE": escape(f"{data['network']['name']} for {data['network']['target']}"),
        "STYLE": "\n".join(
            path.read_text("utf-8") for path in sorted((ASSETS / "app").glob("*.css"))
        ),
        "LIBRARIES": "\n".join(map(_script, libraries())),
        "LICENCES": "\n".join(map(_licence, libraries())),
        "DATA": pack(data),
        "APP": join(ASSETS / "app"),
    }
    template = (ASSETS / "app" / "page.html").read_text("utf-8")
    return PLACE.sub(lambda place: parts[place[1]], template)


def _script(library: Library) -> str:
    """Return a library as a script, which workers find by its id."""
    return f'<script id="library-{library.short_name}">{library.source}</script>'


def _licence(library: Library) -> str:
    title = f"{library.name} {library.version} ({library.licence})"
    text = escape(library.licence_file.read_text("utf-8"))
    return f"<h3>{escape(title)}</h3>\n<pre>{text}</pre>"
