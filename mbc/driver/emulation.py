"""Run programs for a target: on this machine, or under qemu as the CPU that they are made for."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mbc.backends.llvm.tool import run_tool
from mbc.diag import MbcError, error, nearest
from mbc.driver.platforms import this_host
from mbc.records import dataclass
from mbc.targets.catalogue import find_entry, host_family
from mbc.targets.emulators import PACKAGE, emulated_cpu, not_emulated
from mbc.targets.features import features_of
from mbc.targets.target import Target


@dataclass(frozen=True)
class Runner:
    """The way to run programs for a target."""

    prefix: tuple[str, ...] = ()
    """The emulator's command, which goes before the program's; empty on this machine."""
    cpu: str = ""
    """CPU of the emulator."""

    @property
    def native(self) -> bool:
        """Whether nothing is emulated."""
        return not self.prefix

    def __str__(self) -> str:
        return f"{Path(self.prefix[0]).name} -cpu {self.cpu}" if self.prefix else "this machine"


def choose_runner(target: Target, *, emulate: bool = False, cpu: str | None = None) -> Runner:
    """Choose this machine if it can run code for the target, else qemu; with `emulate` or a CPU (of
    qemu, of LLVM or a board) qemu in any case. E0723 without qemu, E0724 if neither can."""
    if not emulate and cpu is None and _runs_here(target):
        return Runner()
    if target.object_format == "macho":
        raise error("E0724", "programs for macOS run on a Mac only, and there is none here")
    program = _program(target)
    chosen = _named_cpu(cpu, target, program) if cpu else emulated_cpu(target)
    if chosen is None:
        raise error(
            "E0724",
            f"qemu has no {not_emulated(target)}, which code for {target.cpu} may use",
            helps=["verify it on a machine that has"],
        )
    return Runner((program, "-cpu", chosen), chosen)


def _runs_here(target: Target) -> bool:
    host = this_host()
    system = {"Linux": "linux", "Darwin": "macos"}.get(platform.system())
    wanted = "linux" if target.system == "android" else target.system  # its programs are static
    here = (system, host_family(host.machine)) == (wanted, target.family)
    return here and _told_apart(target) <= host.features


def _told_apart(target: Target) -> frozenset[str]:
    """Return the features that the target needs, without names that stand for several."""
    return frozenset(f for f in features_of(target) if not f.startswith(("x86-64-", "v8.", "v9")))


def _program(target: Target) -> str:
    name = target.architecture.qemu
    for candidate in (f"{name}-static", name):
        if found := shutil.which(candidate):
            return found
    raise error(
        "E0723",
        f"{name}, which runs code for {target.cpu} here, is not installed",
        helps=[f"install the package {PACKAGE}: apt-get install {PACKAGE}"],
    )


def _named_cpu(name: str, target: Target, program: str) -> str:
    """Return qemu's CPU by its own name, by LLVM's or by a board's."""
    entry = find_entry(name)
    architecture = target.architecture
    cpus = ((cpu.name, cpu.qemu) for cpu in architecture.cpus.values())
    known = {llvms: qemus for llvms, qemus in cpus if qemus != architecture.emulated}
    if entry is not None and entry.baseline.name == target.family:
        name = entry.cpu
    if name in known:
        return known[name]
    listed = _listed_cpus(program)
    if name in listed:
        return name
    raise error(
        "E0502",
        f"{Path(program).name} has no CPU '{name}'",
        helps=nearest(name, {*listed, *known}) or [f"such as {', '.join(sorted(known)[:8])}, …"],
    )


def _listed_cpus(program: str) -> frozenset[str]:
    """Return the CPUs that `qemu -cpu help` lists: first or second words of indented lines."""
    text = subprocess.run([program, "-cpu", "help"], capture_output=True, text=True).stdout
    return frozenset(word for line in text.splitlines() for word in line.split()[:2])


def run(runner: Runner, command: Sequence[str | Path], folder: Path, made_for: str) -> str:
    """Run a program in a folder, and return its stdout; raises E0722 if it dies or fails."""
    words = [*runner.prefix, *map(str, command)]
    done = run_tool(words, cwd=folder, env=os.environ)
    if done.returncode:
        raise _failure(runner, done.returncode, done.stderr, Path(command[0]).name, made_for)
    return done.stdout


def _failure(runner: Runner, status: int, stderr: str, name: str, made_for: str) -> MbcError:
    where = runner.cpu or "this machine's CPU"
    helps = [f"it was compiled for {made_for}; compile it for the CPU that shall run it"]
    if refusal := re.search(r"^error\[E0728\]: this CPU (.*)", stderr, re.MULTILINE):
        return error("E0722", f"{name} does not run: {where} {refusal[1]}", helps=helps)
    fatal = -status if status < 0 else status - 128  # as a shell reports signals
    if fatal == signal.SIGILL:
        message = f"{name} uses an instruction that {where} does not have (SIGILL)"
        return error("E0722", message, helps=helps)
    try:
        reason = f"was ended by {signal.Signals(fatal).name}"
    except ValueError:
        reason = f"ended with status {status}"
    tail = "".join(f"\n  {line}" for line in stderr.strip().splitlines()[-6:])
    return error("E0722", f"{name} {reason}, on {runner}{tail}")
