"""`make vendor`: fetch the libraries of the report's page anew, as npm publishes them.

The table `packages.toml` has the version and digest of each; to take a newer one, change its row:
a digest that differs is told and nothing is written. A test compares the files with the table.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from mbc.inspect.libraries import Library, libraries


def fetch(package: Library, folder: Path) -> None:
    """Download a package and write its script and licence. Exits on a digest that differs."""
    command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    archive = folder / done.stdout.split()[-1]
    found = integrity(archive.read_bytes())
    if found != package.integrity:
        sys.exit(f"{package.name} {package.version}: integrity {found}, not {package.integrity}")
    with tarfile.open(archive) as tar:
        for member, target in ((package.file, package.script), ("LICENSE", package.licence_file)):
            content = tar.extractfile(f"package/{member}")
            assert content is not None, f"{package.name} has no {member}"
            target.write_bytes(content.read())


def integrity(content: bytes) -> str:
    """The digest of an archive, as npm writes it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for row in libraries():
            fetch(row, Path(scratch))
