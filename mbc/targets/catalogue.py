"""The named targets, and the resolution of a name with `--mcpu` and `--mattr` to a `Target`.

A new board is one entry of `BOARDS` and one line of `ENTRIES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from mbc.diag import MbcError, error, nearest
from mbc.records import dataclass
from mbc.targets.architecture import Architecture, Baseline, Core
from mbc.targets.architectures import BASELINES, find_architecture
from mbc.targets.architectures.aarch64 import ARM64
from mbc.targets.architectures.arm import ARMV7, ARMV7_VFP3
from mbc.targets.architectures.riscv64 import RV64GCV
from mbc.targets.architectures.x86_64 import X86_64, X86_64_V2
from mbc.targets.boards import BOARDS, Board
from mbc.targets.elsewhere import supported_as, unsupported
from mbc.targets.features import features_of
from mbc.targets.gpu import GPU_TARGETS
from mbc.targets.target import Target


@dataclass(frozen=True)
class Entry:
    """A named target."""

    name: str
    baseline: Baseline
    cpu: str
    """Default CPU, for which code is scheduled."""
    description: str
    """One line for `mbc targets`."""
    aliases: tuple[str, ...] = ()
    """Other names that `--target` takes."""
    features: tuple[str, ...] = ()
    """Features with their sign, used with the default CPU only; those of `--mattr` follow."""
    own_triple: str = ""
    """LLVM's triple; "" for the architecture's."""
    own_link_triple: str = ""
    """zig's target for executables; "" for the architecture's."""
    board: Board | None = None
    """The board, if it is one."""
    model: str = ""
    """CPU that costs are predicted for, if not `cpu`: for entries that cover many CPUs."""

    @property
    def triple(self) -> str:
        """LLVM's triple."""
        return self.own_triple or self.baseline.architecture.triple

    @property
    def link_triple(self) -> str:
        """zig's target for executables."""
        return self.own_link_triple or self.baseline.architecture.link_triple

    def core_of(self, cpu: str) -> Core:
        """Return the core that costs are predicted for with a CPU, which may differ from `cpu`."""
        if cpu != self.cpu:
            return self.baseline.architecture.core_of(cpu)
        if self.board is not None:
            return self.board.core
        return self.baseline.architecture.core_of(self.model or cpu)


def _board(name: str, *features: str) -> Entry:
    """Make the entry of an arm64 board, scheduled for its fastest cores."""
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
        model="generic",
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
    Entry(
        "riscv64",
        RV64GCV,
        "generic-rv64",
        "RISC-V, 64 bit, with vectors of 128 bits or more (RV64GCV)",
        ("rv64gcv", "riscv64-linux-gnu"),
        features=("+m", "+a", "+f", "+d", "+c", "+v"),
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
        own_triple="aarch64-unknown-linux-android24",
    ),
    Entry(
        "armeabi-v7a",
        ARMV7_VFP3,
        "generic",
        "Android, 32 bit, with NEON: library for the app, executable for adb shell",
        ("armv7a-linux-androideabi",),
        features=("+neon",),
        own_triple="armv7a-unknown-linux-androideabi24",
    ),
    Entry(
        "macos-arm64",
        ARM64,
        "apple-m1",
        "macOS 11 and later on Apple silicon",
        ("arm64-apple-macos", "aarch64-macos"),
        own_triple="arm64-apple-macosx11.0.0",
        own_link_triple="aarch64-macos.11.0",
    ),
)

NATIVE = "native"


@dataclass(frozen=True)
class Host:
    """The machine that mbc runs on."""

    machine: str
    """Its architecture's name in uname."""
    cpu: str
    """LLVM's name of the CPU."""
    features: frozenset[str]
    """LLVM's names of the features that are present."""


def target_names() -> tuple[str, ...]:
    """List the names and aliases that `resolve_target` takes, `native` first."""
    return (NATIVE, *(name for entry in ENTRIES for name in (entry.name, *entry.aliases)))


def resolve_target(
    name: str, mcpu: str | None = None, mattr: str | None = None, *, host: Host
) -> Target:
    """Resolve a target's name, with an optional CPU and features added or removed.

    Raises E0501 for an unknown name, E0502 for a CPU, E0503 and E0505 for features, and E0504 if
    the name is `native` and no kernels run on the host.
    """
    if name == NATIVE:
        return _native(host, mcpu, mattr)
    entry = find_entry(name)
    if entry is None:
        raise _no_target(name)
    return entry_target(entry, mcpu, mattr)


def entry_target(entry: Entry, mcpu: str | None = None, mattr: str | None = None) -> Target:
    """Make an entry's target, with an optional CPU and features; raises E0502, E0503, E0505."""
    target = _target(entry.name, entry.baseline, mcpu or entry.cpu, mattr, entry.description)
    own = target.cpu == entry.cpu
    return replace(
        target,
        triple=entry.triple,
        link_triple=entry.link_triple,
        features=(*(entry.features if own else ()), *target.features),
        model=entry.core_of(target.cpu),
        board=entry.board,
    )


def recorded_target(name: str, triple: str, cpu: str, features: Sequence[str]) -> Target | None:
    """Reconstruct the target of compiled code from the fields of its manifest.

    Returns None for a triple that no entry has. `native` and GPU targets become the first entry
    with that CPU.
    """
    known = [entry for entry in ENTRIES if entry.triple == triple]
    named = (entry for entry in known if entry.name == name)
    fitting = (entry for entry in known if cpu in entry.baseline.cpus)
    entry = next(chain(named, fitting, known), None)
    if entry is None:
        return None
    target = _make(entry.name, entry.baseline, cpu, features, entry.description)
    core, link = entry.core_of(cpu), entry.link_triple
    return replace(target, triple=triple, link_triple=link, model=core, board=entry.board)


def _no_target(name: str) -> MbcError:
    """Return E0501 with the reason why it is unsupported, its name here, or the nearest name."""
    gpus = [gpu.api for gpu in GPU_TARGETS]
    listed = f"targets are {', '.join((NATIVE, *(e.name for e in ENTRIES), *gpus))}"
    if reason := unsupported(name):
        return error("E0501", f"'{name}' is not supported: {reason}", helps=[listed])
    hints: Sequence[str] = nearest(name, (*target_names(), *gpus))
    if known := supported_as(name):
        hints = [f"write --target {known}"]
    elif cpu := next((e.name for e in ENTRIES if name in e.baseline.cpus), None):
        hints = [f"it is a CPU: --target {cpu} --mcpu {name}"]
    return error("E0501", f"unknown target '{name}'", helps=[*hints, listed])


def find_entry(name: str) -> Entry | None:
    """Find the entry of that name or alias."""
    return next((e for e in ENTRIES if name in (e.name, *e.aliases)), None)


def _native(host: Host, mcpu: str | None, mattr: str | None) -> Target:
    description = "this machine"
    if mcpu and mcpu != host.cpu:
        return _target(NATIVE, _host_baselines(host)[0], mcpu, mattr, description)
    baseline = host_baseline(host)
    features = (*_present(baseline.architecture, host), *_features(baseline, mattr))
    return _make(NATIVE, baseline, host.cpu, features, description)


def _present(architecture: Architecture, host: Host) -> Iterator[str]:
    """Yield the host's features with their sign: a virtual machine may hide some of its CPU's."""
    for name in architecture.features:
        if name in host.features:
            yield f"+{name}"
        elif name in architecture.maskable:
            yield f"-{name}"


def host_baseline(host: Host) -> Baseline:
    """Return the first baseline whose kernels run on the host; raises E0504 if there is none."""
    known = _host_baselines(host)
    for baseline in known:
        if host.features.issuperset(baseline.needs):
            return baseline
    missing = [need for need in known[-1].needs if need not in host.features]
    raise error(
        "E0504",
        f"this machine's CPU, {host.cpu}, lacks {' and '.join(missing)}",
        helps=["name another target, such as --target arm64"],
    )


def _host_baselines(host: Host) -> tuple[Baseline, ...]:
    """Return all baselines of the host's architecture; raises E0504 if there is none."""
    family = host_family(host.machine)
    if known := tuple(baseline for baseline in BASELINES if baseline.name == family):
        return known
    raise error(
        "E0504",
        f"mbc has no kernels for this machine ({host.machine})",
        helps=["name another target, such as --target arm64"],
    )


def host_family(machine: str) -> str:
    """Convert a machine name of uname to that of `Target.family`."""
    known = find_architecture(machine)
    return known.name if known else machine.lower()


def _target(name: str, baseline: Baseline, cpu: str, mattr: str | None, description: str) -> Target:
    if cpu not in baseline.cpus:
        message = f"unknown CPU '{cpu}' for {baseline.name}"
        raise error("E0502", message, helps=_cpu_hints(cpu, baseline))
    return _make(name, baseline, cpu, _features(baseline, mattr), description)


def _cpu_hints(cpu: str, baseline: Baseline) -> Sequence[str]:
    """Suggest another target that has the CPU, the nearest name, or a few names."""
    having = [entry for entry in ENTRIES if cpu in entry.baseline.cpus]
    for entry in having:
        if entry.baseline.name == baseline.name:
            return [f"--target {entry.name} has kernels that run on it"]
    if having:
        return [f"it is a CPU of --target {having[0].name}"]
    if cpu in (entry.name for entry in ENTRIES):
        return [f"it is a target: --target {cpu}"]
    return nearest(cpu, baseline.cpus) or [f"such as {_some(baseline.cpus)}"]


def _features(baseline: Baseline, mattr: str | None) -> tuple[str, ...]:
    words = [word.strip() for word in (mattr or "").split(",") if word.strip()]
    for word in words:
        _check_feature(baseline, word)
    return tuple(words)


def _check_feature(baseline: Baseline, word: str) -> None:
    sign, name = word[0], word[1:]
    if sign not in "+-":
        raise error(
            "E0503",
            f"the feature '{word}' has no sign",
            helps=[f"write +{word} to switch it on, -{word} to switch it off"],
        )
    known = baseline.architecture.features
    if name not in known:
        raise error(
            "E0503",
            f"unknown feature '{name}' for {baseline.name}",
            helps=nearest(name, known) or [f"such as {_some(known)}"],
        )
    removed = dict(baseline.implied_by).get(name, name)
    if sign == "-" and removed in baseline.needs:
        raise error(
            "E0505",
            f"the kernels for {baseline.name} need {removed}; '{word}' switches it off",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + ", …"


def _make(
    name: str, baseline: Baseline, cpu: str, features: Iterable[str], description: str
) -> Target:
    architecture = baseline.architecture
    target = Target(
        name=name,
        triple=architecture.triple,
        cpu=cpu,
        isa=baseline.isa,
        features=tuple(features),
        link_triple=architecture.link_triple,
        model=architecture.core_of(cpu),
        description=description,
    )
    return replace(target, isa=baseline.better) if _is_better(target, baseline) else target


def _is_better(target: Target, baseline: Baseline) -> bool:
    """Whether the CPU has the baseline's better vector unit."""
    present = features_of(target)
    wanted = present.issuperset(baseline.better_needs)
    return bool(baseline.better) and wanted and present.isdisjoint(baseline.better_not)
