"""The libraries that travel in a page, as `assets/vendor/packages.toml` lists them."""

from __future__ import annotations

import tomllib
from pathlib import Path

from mbc.records import dataclass

ASSETS = Path(__file__).resolve().parent / "assets"
VENDOR = ASSETS / "vendor"


@dataclass(frozen=True)
class Library:
    """A library, as npm publishes it."""

    name: str
    """Its name on npm: `@dagrejs/dagre`."""
    version: str
    licence: str
    """By SPDX."""
    file: str
    """Path of the script in its archive."""
    integrity: str
    """Digest of its archive, as npm writes it."""
    sha256: str
    """Digest of the script, in hexadecimal."""

    @property
    def short_name(self) -> str:
        """The name without its scope, by which its files are called here."""
        return self.name.rpartition("/")[2]

    @property
    def script(self) -> Path:
        """The script, as it was published."""
        return VENDOR / f"{self.short_name}.js"

    @property
    def licence_file(self) -> Path:
        """The text of the licence."""
        return VENDOR / f"{self.short_name}.LICENSE"

    @property
    def source(self) -> str:
        """The script without the name of its source map, which a browser would ask for."""
        lines = self.script.read_text("utf-8").splitlines()
        return "\n".join(line for line in lines if not line.startswith("//# sourceMappingURL="))


def libraries() -> tuple[Library, ...]:
    """Return the libraries in the order in which a page loads them."""
    table = tomllib.loads((VENDOR / "packages.toml").read_text("utf-8"))
    return tuple(Library(**row) for row in table["package"])
