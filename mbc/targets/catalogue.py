"""The targets by name, and how a name with `--mcpu` and `--mattr` becomes a `Target`.

A new board is one entry of `BOARDS` and one line of `ENTRIES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from mbc.diag import MbcError, error, nearest
from mbc.targets.boards import BOARDS, CPU_MODELS, UNKNOWN_CPU, Board
from mbc.targets.cpus import (
    ARCHITECTURES,
    ARM64,
    ARMV7,
    ARMV7_VFP3,
    X86_64,
    X86_64_V2,
    Architecture,
)
from mbc.targets.elsewhere import supported_as, unsupported
from mbc.targets.features import features_of
from mbc.targets.gpu import GPU_TARGETS
from mbc.targets.target import Target


@dataclass(frozen=True)
class Entry:
    """A named target. `triple` and `link_triple` are the architecture's unless given; `features`
    go before those of `--mattr`, and only with the entry's own CPU."""

    name: str
    architecture: Architecture
    cpu: str
    description: str
    aliases: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    triple: str = ""
    link_triple: str = ""
    board: Board | None = None


def _board(name: str, *features: str) -> Entry:
    """An arm64 board: scheduled for its fastest cores."""
    board = BOARDS[name]
    cores = ", ".join(map(str, board.cores))
    return Entry(
        name,
        ARM64,
        board.cores[0].cpu,
        f"{board.title}: {cores}",
        features=features,
        board=board,
    )


ENTRIES: tuple[Entry, ...] = (
    Entry("arm64", ARM64, "generic", "Arm, 64 bit, with NEON", ("aarch64", "aarch64-linux-gnu")),
    Entry(
        "armv7",
        ARMV7,
        "cortex-a7",
        "Arm, 32 bit, hard float, with NEON and VFPv4",
        ("armhf", "armv7l", "arm-linux-gnueabihf"),
    ),
    Entry(
        "x86_64",
        X86_64,
        "x86-64-v3",
        "Intel and AMD, 64 bit, with AVX2 and FMA",
        ("x86_64-v3", "x86-64-v3", "x86-64", "amd64", "x86_64-linux-gnu"),
    ),
    Entry(
        "x86_64-v2",
        X86_64_V2,
        "x86-64-v2",
        "Intel and AMD from 2009 on, 64 bit, with SSE4.2 and no FMA",
        ("x86-64-v2",),
    ),
    Entry(
        "x86_64-v4",
        X86_64,
        "x86-64-v4",
        "Intel and AMD, 64 bit, with AVX-512",
        ("x86-64-v4",),
    ),
    _board("rpi-zero2w"),
    _board("rpi3"),
    _board("rpi4"),
    _board("rpi5"),
    _board("jetson-nano"),
    _board("jetson-orin"),
    _board("rk3399"),
    _board("rk3588", "-ssbs"),  # all that the little cores lack
    Entry(
        "arm64-v8a",
        ARM64,
        "generic",
        "Android, 64 bit: library for the app, executable for adb shell",
        ("android", "aarch64-linux-android"),
        triple="aarch64-unknown-linux-android24",
    ),
    Entry(
        "armeabi-v7a",
        ARMV7_VFP3,
        "generic",
        "Android, 32 bit, with NEON: library for the app, executable for adb shell",
        ("armv7a-linux-androideabi",),
        features=("+neon",),
        triple="armv7a-unknown-linux-androideabi24",
    ),
    Entry(
        "macos-arm64",
        ARM64,
        "apple-m1",
        "macOS 11 and later on Apple silicon",
        ("arm64-apple-macos", "aarch64-macos"),
        triple="arm64-apple-macosx11.0.0",
        link_triple="aarch64-macos.11.0",
    ),
)

NATIVE = "native"


@dataclass(frozen=True)
class Host:
    """The machine that mbc runs on: `machine` as uname gives it, `cpu` and the `features` that are
    present in LLVM's names."""

    machine: str
    cpu: str
    features: frozenset[str]


def target_names() -> tuple[str, ...]:
    """Names and aliases that `resolve_target` takes, `native` first."""
    return (NATIVE, *(name for entry in ENTRIES for name in (entry.name, *entry.aliases)))


def resolve_target(
    name: str, mcpu: str | None = None, mattr: str | None = None, *, host: Host
) -> Target:
    """The target of that name (E0501), perhaps with another CPU (E0502) and with features added or
    removed (E0503, E0505). `native` is the host, which may be too old (E0504)."""
    if name == NATIVE:
        return _native(host, mcpu, mattr)
    entry = find_entry(name)
    if entry is None:
        raise _no_target(name)
    return entry_target(entry, mcpu, mattr)


def entry_target(entry: Entry, mcpu: str | None = None, mattr: str | None = None) -> Target:
    """The target of an entry, perhaps with another CPU and features."""
    target = _target(entry.name, entry.architecture, mcpu or entry.cpu, mattr, entry.description)
    own = entry.features if target.cpu == entry.cpu else ()
    return replace(
        target,
        triple=entry.triple or target.triple,
        link_triple=entry.link_triple or target.link_triple,
        features=(*own, *target.features),
        board=entry.board,
    )


def recorded_target(name: str, triple: str, cpu: str, features: Sequence[str]) -> Target | None:
    """The target of code that was compiled earlier, from what its manifest records; None for a
    triple that no entry has. What was `native`, or for a GPU, is the first entry with that CPU."""
    known = [entry for entry in ENTRIES if entry_target(entry).triple == triple]
    named = (entry for entry in known if entry.name == name)
    fitting = (entry for entry in known if cpu in entry.architecture.cpus)
    entry = next(chain(named, fitting, known), None)
    if entry is None:
        return None
    target = _make(entry.name, entry.architecture, cpu, features, entry.description)
    link = entry_target(entry).link_triple
    return replace(target, triple=triple, link_triple=link, board=entry.board)


def _no_target(name: str) -> MbcError:
    """E0501: why mbc does not compile for it, what it is called here, or the nearest name."""
    gpus = [gpu.api for gpu in GPU_TARGETS]
    listed = f"targets are {', '.join((NATIVE, *(e.name for e in ENTRIES), *gpus))}"
    if reason := unsupported(name):
        return error("E0501", f"'{name}' is not supported: {reason}", helps=[listed])
    hints: Sequence[str] = nearest(name, (*target_names(), *gpus))
    if known := supported_as(name):
        hints = [f"write --target {known}"]
    elif cpu := next((e.name for e in ENTRIES if name in e.architecture.cpus), None):
        hints = [f"it is a CPU: --target {cpu} --mcpu {name}"]
    return error("E0501", f"unknown target '{name}'", helps=[*hints, listed])


def find_entry(name: str) -> Entry | None:
    """The entry of that name or alias."""
    return next((e for e in ENTRIES if name in (e.name, *e.aliases)), None)


def _native(host: Host, mcpu: str | None, mattr: str | None) -> Target:
    description = "this machine"
    if mcpu and mcpu != host.cpu:
        return _target(NATIVE, _host_architectures(host)[0], mcpu, mattr, description)
    architecture = host_architecture(host)
    features = (*_present(architecture, host), *_features(architecture, mattr))
    return _make(NATIVE, architecture, host.cpu, features, description)


def _present(architecture: Architecture, host: Host) -> Iterator[str]:
    """The host's features with their sign: a virtual machine may hide what its CPU has."""
    for name in architecture.features:
        if name in host.features:
            yield f"+{name}"
        elif name in architecture.maskable:
            yield f"-{name}"


def host_architecture(host: Host) -> Architecture:
    """The first architecture whose kernels run on the host; E0504 if there is none."""
    known = _host_architectures(host)
    for architecture in known:
        if host.features.issuperset(architecture.needs):
            return architecture
    missing = [need for need in known[-1].needs if need not in host.features]
    raise error(
        "E0504",
        f"this machine's CPU, {host.cpu}, lacks {' and '.join(missing)}",
        helps=["name another target, such as --target arm64"],
    )


def _host_architectures(host: Host) -> tuple[Architecture, ...]:
    """All for that kind of machine."""
    known = tuple(a for a in ARCHITECTURES if a.name == host_family(host.machine))
    if known:
        return known
    raise error(
        "E0504",
        f"mbc has no kernels for this machine ({host.machine})",
        helps=["name another target, such as --target arm64"],
    )


def host_family(machine: str) -> str:
    """What uname says, as `Target.family` has it."""
    machine = machine.lower()
    return {"amd64": "x86_64", "arm64": "aarch64", "armv7l": "arm", "armv8l": "arm"}.get(
        machine, machine
    )


def _target(
    name: str, architecture: Architecture, cpu: str, mattr: str | None, description: str
) -> Target:
    if cpu not in architecture.cpus:
        raise error(
            "E0502",
            f"unknown CPU '{cpu}' for {architecture.name}",
            helps=_cpu_hints(cpu, architecture),
        )
    return _make(name, architecture, cpu, _features(architecture, mattr), description)


def _cpu_hints(cpu: str, architecture: Architecture) -> Sequence[str]:
    """Another target that has the CPU, or else the nearest name, or a few names."""
    having = [entry for entry in ENTRIES if cpu in entry.architecture.cpus]
    for entry in having:
        if entry.architecture.name == architecture.name:
            return [f"--target {entry.name} has kernels that run on it"]
    if having:
        return [f"it is a CPU of --target {having[0].name}"]
    if cpu in (entry.name for entry in ENTRIES):
        return [f"it is a target: --target {cpu}"]
    return nearest(cpu, architecture.cpus) or [f"such as {_some(architecture.cpus)}"]


def _features(architecture: Architecture, mattr: str | None) -> tuple[str, ...]:
    words = [word.strip() for word in (mattr or "").split(",") if word.strip()]
    for word in words:
        _check_feature(architecture, word)
    return tuple(words)


def _check_feature(architecture: Architecture, word: str) -> None:
    sign, name = word[0], word[1:]
    if sign not in "+-":
        raise error(
            "E0503",
            f"the feature '{word}' has no sign",
            helps=[f"write +{word} to switch it on, -{word} to switch it off"],
        )
    if name not in architecture.features:
        known = architecture.features
        raise error(
            "E0503",
            f"unknown feature '{name}' for {architecture.name}",
            helps=nearest(name, known) or [f"such as {_some(known)}"],
        )
    removed = dict(architecture.implied_by).get(name, name)
    if sign == "-" and removed in architecture.needs:
        raise error(
            "E0505",
            f"the kernels for {architecture.name} need {removed}; '{word}' switches it off",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + ", …"


def _make(
    name: str, architecture: Architecture, cpu: str, features: Iterable[str], description: str
) -> Target:
    model = CPU_MODELS.get(cpu, UNKNOWN_CPU)
    target = Target(
        name=name,
        triple=architecture.triple,
        cpu=cpu,
        isa=architecture.isa,
        features=tuple(features),
        link_triple=architecture.link_triple,
        l1_bytes=model.l1 * 1024,
        l2_bytes=model.l2 * 1024,
        description=description,
    )
    return replace(target, isa=architecture.better) if _is_better(target, architecture) else target


def _is_better(target: Target, architecture: Architecture) -> bool:
    """Whether the CPU has a better vector unit than the architecture's CPUs all have."""
    present = features_of(target)
    wanted = present.issuperset(architecture.better_needs)
    return bool(architecture.better) and wanted and present.isdisjoint(architecture.better_not)
