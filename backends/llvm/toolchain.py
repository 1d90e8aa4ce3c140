"""The tools that assemble, archive and link: zig, which pip installs and which knows every target,
or a compiler that the user names.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Protocol

from mbc import caches
from mbc.backends.llvm.tool import run_tool
from mbc.diag import Diagnostic, MbcError, error
from mbc.files import scratch_folder
from mbc.records import dataclass
from mbc.targets.architectures import find_architecture

# One set for every link: zig builds its libc anew for each combination of such flags.
C_FLAGS = ("-std=c11", "-O2", "-ffunction-sections", "-fdata-sections")
LINK_FLAGS = {
    "elf": ("-static", "-s", "-Wl,--gc-sections", "-Wl,--build-id=none"),
    "macho": ("-s", "-Wl,-dead_strip"),  # a Mac's libc is always a shared library
}


@dataclass(frozen=True)
class LinkTarget:
    """A platform to link for."""

    zig_triple: str
    """Zig's name for it ("aarch64-linux-musl")."""
    object_format: str = "elf"
    arch: str = ""  # as compilers name it in their triple; from `zig_triple` if empty
    page_bytes: int = 4096
    """The largest pages of its kernels."""
    libc: str = ""
    """The library from which shared libraries take `libc_functions`, if the loader must be told."""
    libc_functions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.arch:
            object.__setattr__(self, "arch", self.zig_triple.split("-", 1)[0])


class LinkError(MbcError):
    """A tool failed. `command` is what was run, `stderr` all that it said."""

    def __init__(self, command: Sequence[str], code: int, stderr: str) -> None:
        tail = "".join(f"\n  {line}" for line in stderr.strip().splitlines()[-12:])
        how = f"with exit code {code}" if code >= 0 else f"by {_signal_name(-code)}"
        message = f"a tool failed {how}: {shlex.join(command)}{tail}"
        super().__init__(Diagnostic("E0602", message))
        self.command = tuple(command)
        self.stderr = stderr


def _signal_name(number: int) -> str:
    """SIGKILL, or its number where that has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Toolchain(Protocol):
    """The compiler, linker and archiver of a host."""

    @property
    def name(self) -> str:
        """For messages and the manifest."""

    def compiler(self, target: LinkTarget) -> tuple[str, ...]:
        """Return the command that compiles, assembles and links. Raises MbcError if it cannot do so
        for `target`."""

    def archiver(self) -> tuple[str, ...]:
        """Return the command of the matching `ar`."""

    def linker(self, target: LinkTarget) -> tuple[str, ...]:
        """Return the command of the linker for shared libraries; () if the compiler calls it."""

    def link_options(self, target: LinkTarget) -> tuple[str, ...]:
        """Return options for links of executables besides `LINK_FLAGS`."""

    def working_folder(self, scratch: Path) -> Path:
        """Return the folder in which commands run; `scratch` is empty and removed afterwards."""

    def environment(self, scratch: Path) -> Mapping[str, str]:
        """Return the variables that commands need."""

    def object_cache(self) -> Path | None:
        """Return the folder of objects that `compiler` made; None if they may depend on more than
        its command, its `name` and the sources."""

    def is_warm(self, target: LinkTarget) -> bool:
        """Whether the libc of `target` is built, so that a link takes no longer than a second."""

    def mark_warm(self, target: LinkTarget) -> None:
        """Remember that a link for `target` has succeeded."""


@dataclass(frozen=True)
class Zig:
    """The toolchain in the Python package ziglang. Without a `cache` it is found when it is first
    needed, so that what links nothing needs none."""

    cache: Path | None = None

    @property
    def name(self) -> str:
        return f"ziglang {self._version()}"

    def compiler(self, target: LinkTarget) -> tuple[str, ...]:
        self._check_cache()
        return (*self._zig(), "cc", "-target", target.zig_triple)

    def archiver(self) -> tuple[str, ...]:
        return (*self._zig(), "ar")

    def linker(self, target: LinkTarget) -> tuple[str, ...]:
        # A fraction of the time of `zig cc`, and no libc.
        return (*self._zig(), "ld.lld") if target.object_format == "elf" else ()

    def link_options(self, target: LinkTarget) -> tuple[str, ...]:
        return ()

    def working_folder(self, scratch: Path) -> Path:
        # From a folder above its installation zig names its own files by relative paths, finds no
        # libc under those names in its cache, and builds it again.
        return scratch

    def environment(self, scratch: Path) -> Mapping[str, str]:
        # zig's local cache would keep a copy of every artefact for ever, and takes an assembly file
        # for unchanged when only the file that it includes is another. So each call has its own.
        return {
            "ZIG_GLOBAL_CACHE_DIR": str(self.folder()),
            "ZIG_LOCAL_CACHE_DIR": str(_local_cache(scratch)),
        }

    def folder(self) -> Path:
        """Return the folder of what zig has built. Raises E0607 if there is no place for it."""
        return self.cache or caches.zig_folder()

    def object_cache(self) -> Path | None:
        return self.folder() / "mbc-objects"

    def is_warm(self, target: LinkTarget) -> bool:
        return self._stamp(target).exists()

    def mark_warm(self, target: LinkTarget) -> None:
        stamp = self._stamp(target)
        with suppress(OSError):  # then the next link says once more that it may take a minute
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.touch()

    def _check_cache(self) -> None:
        # zig itself may try for ever to create a folder where it cannot.
        folder = self.folder()
        _check_writable(folder, "ZIG_GLOBAL_CACHE_DIR", ", with some 100 MB free")
        if local := os.environ.get("ZIG_LOCAL_CACHE_DIR"):
            _check_writable(Path(local).absolute(), "ZIG_LOCAL_CACHE_DIR")

    def _stamp(self, target: LinkTarget) -> Path:
        # What zig's own cache key depends on, its place included.
        flags = (*C_FLAGS, *LINK_FLAGS[target.object_format])
        parts = (self._version(), str(self._package()), target.zig_triple, *flags)
        key = "\n".join(parts)
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self.folder() / "mbc-warm" / f"{target.zig_triple}-{digest}"

    def _version(self) -> str:
        return self._distribution().version

    def _package(self) -> Path:
        return Path(str(self._distribution().locate_file("ziglang")))

    def _distribution(self) -> metadata.Distribution:
        """Return what pip has installed: a folder of the user's called ziglang is not meant."""
        try:
            return metadata.distribution("ziglang")
        except metadata.PackageNotFoundError:
            helps = ["pip install ziglang", "or name a compiler for the target: --cc, or MBC_CC"]
            raise error("E0601", "ziglang is not installed", helps=helps) from None

    def _zig(self) -> tuple[str, ...]:
        return (str(self._package() / "zig"),)


def _check_writable(folder: Path, variable: str, room: str = "") -> None:
    """Raise E0604 if files cannot be made in a folder, which is made if need be."""
    try:
        caches.make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as reason:
        message = f"zig's cache {folder} cannot be written: {reason.strerror}"
        helps = [f"{variable} names another folder{room}"]
        raise error("E0604", message, helps=helps) from None


def _local_cache(scratch: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return a new folder in ZIG_LOCAL_CACHE_DIR, or else in the scratch folder."""
    named = environ.get("ZIG_LOCAL_CACHE_DIR")
    return Path(named).absolute() / scratch.name if named else scratch / "zig"


@dataclass(frozen=True)
class UserCompiler:
    """A compiler driver that the user named, with its options ("clang --target=…")."""

    command: tuple[str, ...]

    @property
    def name(self) -> str:
        return Path(self.command[0]).name

    def compiler(self, target: LinkTarget) -> tuple[str, ...]:
        machine = self._ask("-dumpmachine")
        if _arch(machine) != _arch(target.arch):
            message = f"{self.name} compiles for {machine}, the target is {target.arch}"
            raise error(
                "E0603", message, helps=["name a compiler for the target in --cc or MBC_CC"]
            )
        return self.command

    def archiver(self) -> tuple[str, ...]:
        return (self._ask("-print-prog-name=ar"),)

    def linker(self, target: LinkTarget) -> tuple[str, ...]:
        return ()

    def link_options(self, target: LinkTarget) -> tuple[str, ...]:
        # glibc before 2.34 has threads in a library of their own; Debian's linker for 32-bit Arm
        # knows small pages only.
        pages = f"-Wl,-z,max-page-size={target.page_bytes}"
        return ("-pthread", *((pages,) if target.object_format == "elf" else ()))

    def working_folder(self, scratch: Path) -> Path:
        return Path.cwd()  # for its options may hold relative paths

    def environment(self, scratch: Path) -> Mapping[str, str]:
        return {"LC_ALL": "C"}

    def object_cache(self) -> Path | None:
        return None  # its options and configuration may name other headers

    def is_warm(self, target: LinkTarget) -> bool:
        return True  # its libc came with it

    def mark_warm(self, target: LinkTarget) -> None:
        pass

    def _ask(self, question: str) -> str:
        if shutil.which(self.command[0]) is None:
            helps = ["--cc or MBC_CC named it; without them zig is used"]
            raise error("E0601", f"there is no compiler '{self.command[0]}'", helps=helps)
        with scratch_folder() as scratch:
            return call_tool(self, (*self.command, question), scratch).strip()


def _arch(machine: str) -> str:
    """Return the family of a triple or of its first component: armv7l and arm are one."""
    name = machine.split("-", 1)[0]
    known = find_architecture(name)
    if known is None and name.startswith(("arm", "thumb")):
        known = find_architecture("arm")  # of whose versions there are many
    return known.name if known else name


def choose_toolchain(cc: str | None = None, environ: Mapping[str, str] = os.environ) -> Toolchain:
    """Choose the compiler that `cc` (--cc) or else MBC_CC names, split as by a shell; else zig."""
    named = cc or environ.get("MBC_CC") or ""
    try:
        command = tuple(shlex.split(named))
    except ValueError as reason:  # an open quote
        raise error("E0601", f"the compiler {named!r} cannot be understood: {reason}") from None
    return UserCompiler(command) if command else Zig()


def call_tool(toolchain: Toolchain, command: Sequence[str], scratch: Path) -> str:
    """Run a command and return what it prints. Raises LinkError (E0602) if it fails."""
    # Temporary files go where they are removed even if the tool is killed.
    places = {"TMPDIR": str(scratch), **toolchain.environment(scratch)}
    try:
        folder = toolchain.working_folder(scratch)
        done = run_tool(command, cwd=folder, env={**os.environ, **places})
    except OSError as problem:
        why = problem.strerror or problem
        raise error("E0601", f"cannot start {shlex.quote(command[0])}: {why}") from None
    finally:
        if local := places.get("ZIG_LOCAL_CACHE_DIR"):
            shutil.rmtree(local, ignore_errors=True)
    if done.returncode:
        raise LinkError(command, done.returncode, done.stderr)
    return done.stdout
