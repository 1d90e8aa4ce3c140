"""`make footprint`: what executables weigh, on disk and in memory, and how soon they answer.

For the target x86_64: the executable, its weights and all else; the most memory that was resident,
and how much of it is neither weights nor arena; and the time from the start of the program to its
first result, the least of several starts with the file in the system's cache.

    python -m tests.speed.footprint [--starts N]
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from tests.e2e.support import EXAMPLES, done
from tests.speed.race import print_row

NETWORKS = ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1", "shufflenet_v2")
HEADER = ("network", "exe KB", "weights KB", "code KB", "RSS KB", "more KB", "first ms")
WIDTH = 16
PATIENCE = 60.0


@dataclass(frozen=True)
class Program:
    """An executable for this machine with an input. Sizes are in bytes."""

    path: Path
    tensor: Path
    weights_bytes: int
    arena_bytes: int

    @staticmethod
    def of(network: str, folder: Path) -> Program:
        """An example, compiled into a folder."""
        output, tensor = folder / network, folder / "x.npy"
        words = ("--target", "x86_64", "--emit", "exe")
        done("compile", EXAMPLES / f"{network}.py", *words, "-o", output)
        manifest = json.loads((output / "manifest.json").read_text())
        np.save(tensor, np.zeros((1, 224, 224, 3), np.float32))
        sizes = manifest["weights_bytes"], manifest["arena_bytes"]
        return Program(output / network, tensor, *sizes)

    @property
    def command(self) -> list[str]:
        """Rank the classes of one image."""
        return [str(self.path), "--input", str(self.tensor), "--top", "1"]

    @property
    def code_bytes(self) -> int:
        """All of the file but the weights."""
        return self.path.stat().st_size - self.weights_bytes

    @property
    def data_bytes(self) -> int:
        """What the network cannot do without."""
        return self.weights_bytes + self.arena_bytes

    def resident_bytes(self) -> int:
        """The most that was resident until the result is printed. The usage that a process leaves
        behind would count us too, who start it; so it is asked while it waits to print, into a pipe
        that is full."""
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
        _fill(writer)
        fcntl.fcntl(writer, fcntl.F_SETFL, 0)
        with subprocess.Popen(self.command, stdout=writer) as process:
            os.close(writer)
            try:
                status = _status_asleep(process.pid)
            finally:
                os.close(reader)  # then it ends, if only by SIGPIPE
        return 1024 * int(status["VmHWM"].split()[0])

    def start_ms(self, starts: int) -> float:
        """From the start to the end of a run with one result: the least of several."""
        return min(self._once() for _ in range(starts))

    def _once(self) -> float:
        start = perf_counter()
        subprocess.run(self.command, check=True, stdout=subprocess.DEVNULL)
        return 1e3 * (perf_counter() - start)


def _fill(pipe: int) -> None:
    """Write until there is no room."""
    for size in (4096, 1):
        try:
            while True:
                os.write(pipe, bytes(size))
        except BlockingIOError:
            pass


def _status_asleep(process: int) -> dict[str, str]:
    """What the system knows of a process that waits: one that computes is never asleep. Raises
    RuntimeError if it has ended."""
    deadline = perf_counter() + PATIENCE
    while perf_counter() < deadline:
        if _state(process) == "S":
            sleep(0.01)
            if _state(process) == "S":
                return _status(process)
        sleep(0.002)
    raise TimeoutError("the program neither waits nor ends")


def _state(process: int) -> str:
    """S: asleep; R: it computes; D: it waits for a disk."""
    state = _status(process)["State"][0]
    if state == "Z":
        raise RuntimeError("the program has ended, and printed nothing")
    return state


def _status(process: int) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def row(network: str, folder: Path, starts: int) -> tuple[str, ...]:
    """As printed."""
    program = Program.of(network, folder)
    resident = program.resident_bytes()
    sizes = (
        program.path.stat().st_size,
        program.weights_bytes,
        program.code_bytes,
        resident,
        resident - program.data_bytes,
    )
    return (network, *(f"{size / 1e3:,.0f}" for size in sizes), f"{program.start_ms(starts):.1f}")


def main(words: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.speed.footprint")
    parser.add_argument("--starts", type=int, default=20, metavar="N", help="default 20")
    args = parser.parse_args(words)
    print_row(HEADER, WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        for network in NETWORKS:
            print_row(row(network, Path(folder), args.starts), WIDTH)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
