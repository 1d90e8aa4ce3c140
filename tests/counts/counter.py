"""What arm64 programs do, counted under qemu by the plugin of `tests/plugin/count.c`."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from mbc.backends.llvm.toolchain import Zig

SOURCE = Path(__file__).parents[1] / "plugin" / "count.c"
QEMU = "qemu-aarch64"  # Debian's qemu-user; the static one has no plugins
OLDEST_QEMU, NEWEST_QEMU = (
    6,
    8,
)  # before there are no plugins, and later they have another interface
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")


def qemu_version() -> int:
    """Major version of the qemu that loads the plugin."""
    text = subprocess.run((QEMU, "--version"), check=True, capture_output=True, text=True).stdout
    return int(text.partition("version ")[2].partition(".")[0])


def check_version(version: int) -> None:
    """RuntimeError, with what to do about it, unless the plugin is made for that qemu."""
    if not OLDEST_QEMU <= version <= NEWEST_QEMU:
        raise RuntimeError(
            f"instructions are counted by a plugin for qemu {OLDEST_QEMU} to {NEWEST_QEMU}, and "
            f"{QEMU} is qemu {version}: put the one of Debian 12 or Ubuntu 24.04 first on PATH, or "
            "leave these tests out with --ignore=tests/counts"
        )


@dataclass(frozen=True)
class Counts:
    """Instructions executed, those of them that are vector multiply-adds by a lane and by a vector,
    vector registers loaded, bytes stored."""

    instructions: int = 0
    by_lane: int = 0
    by_vector: int = 0
    loaded: int = 0
    stored: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(operator.add, astuple(self), astuple(other)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*map(operator.sub, astuple(self), astuple(other)))

    @property
    def fmla(self) -> int:
        """Vector multiply-adds."""
        return self.by_lane + self.by_vector


@dataclass(frozen=True)
class Counter:
    """The plugin, built in a folder of its own."""

    folder: Path
    cpu: str = "cortex-a53"
    """The CPU that qemu emulates."""

    @staticmethod
    def build(folder: Path) -> Counter:
        """Compile the plugin for this machine; RuntimeError for a qemu that could not load it."""
        check_version(qemu_version())
        output = str(folder / "libcount.so")
        command = (sys.executable, "-P", "-m", "ziglang", "cc", *FLAGS, str(SOURCE), "-o", output)
        environment = {**os.environ, **Zig().environment(folder)}
        subprocess.run(command, check=True, env=environment, cwd=folder)
        return Counter(folder)

    def count(self, *command: str | Path) -> Counts:
        """A whole run of a program with its arguments."""
        (counts,) = self._run("", command).values()
        return counts

    def count_symbols(self, *command: str | Path) -> dict[str, Counts]:
        """A run by symbol, of a program that is not stripped."""
        return self._run(",symbols=on", command)

    def _run(self, options: str, command: Sequence[str | Path]) -> dict[str, Counts]:
        out = self.folder / "counts.txt"
        plugin = f"{self.folder / 'libcount.so'},out={out}{options}"
        words = (QEMU, "-cpu", self.cpu, "-plugin", plugin, *map(str, command))
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        return dict(map(_line, out.read_text().splitlines()))


def _line(text: str) -> tuple[str, Counts]:
    *numbers, symbol = text.split(" ")
    return symbol, Counts(*map(int, numbers))
