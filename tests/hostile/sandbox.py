"""A folder to make mistakes in: a network, a good bundle from before, and temporary files apart.

Whatever goes wrong must leave all of it as it was.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support import ROOT, TINY, Outcome, mbc


@dataclass(frozen=True)
class Sandbox:
    """`work` is where commands run, `temporary` what they take for /tmp."""

    work: Path
    temporary: Path

    def state(self) -> dict[str, str]:
        """All there is, by path, with what it holds."""
        return {**snapshot(self.work), **snapshot(self.temporary)}

    def environment(self) -> dict[str, str]:
        """For a process that is to live here."""
        plain = {k: v for k, v in os.environ.items() if not k.startswith("MBC_")}
        return {**plain, "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT)}

    def start(self, *words: str, **options: object) -> "subprocess.Popen[str]":
        """`python -m mbc …` in a session of its own."""
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", "mbc", *words],
            cwd=self.work,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(self, *words: str, **options: object) -> Outcome:
        """The same to its end."""
        with self.start(*words, **options) as process:
            out, err = process.communicate(timeout=120)
        return Outcome(process.returncode, out, err)


def snapshot(folder: Path) -> dict[str, str]:
    """Each path below a folder with a digest of what it is."""
    return {str(path): _digest(path) for path in sorted(folder.rglob("*"))}


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    mode = f"{path.stat().st_mode:o}"
    return mode if path.is_dir() else f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def make_bundle(folder: Path) -> Path:
    """The network and a bundle of it, as they lie in every sandbox."""
    network = folder / "tiny.py"
    network.write_text(TINY)
    made = mbc("compile", network, "--target", "arm64", "-o", folder / "out", "--emit", "header,ir")
    assert made.status == 0, made.err
    return folder


def make_sandbox(folder: Path, bundle: Path) -> Sandbox:
    """A copy of the bundle, and an empty folder for temporary files."""
    sandbox = Sandbox(folder / "work", folder / "tmp")
    shutil.copytree(bundle, sandbox.work)
    sandbox.temporary.mkdir()
    return sandbox


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Text or bytes by name; a name that ends in a slash is a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
