"""The targets by name, and how a name with `--mcpu` and `--mattr` becomes a `Target`.

A new board is one entry of `ENTRIES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mbc.diag import error, nearest
from mbc.targets.cpus import ARCHITECTURES, ARM64, CACHES, X86_64, Architecture
from mbc.targets.target import Target


@dataclass(frozen=True)
class Entry:
    """A named target."""

    name: str
    architecture: Architecture
    cpu: str
    description: str
    aliases: tuple[str, ...] = ()


ENTRIES: tuple[Entry, ...] = (
    Entry("arm64", ARM64, "generic", "Arm, 64 bit, with NEON", ("aarch64", "aarch64-linux-gnu")),
    Entry(
        "x86_64",
        X86_64,
        "x86-64-v3",
        "Intel and AMD, 64 bit, with AVX2 and FMA",
        ("x86-64", "amd64", "x86_64-linux-gnu"),
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
    entry = next((e for e in ENTRIES if name in (e.name, *e.aliases)), None)
    if entry is None:
        raise error(
            "E0501",
            f"unknown target '{name}'",
            helps=[
                *nearest(name, target_names()),
                f"targets are {', '.join((NATIVE, *(e.name for e in ENTRIES)))}",
            ],
        )
    return _target(entry.name, entry.architecture, mcpu or entry.cpu, mattr, entry.description)


def _native(host: Host, mcpu: str | None, mattr: str | None) -> Target:
    architecture = host_architecture(host)
    description = "this machine"
    if mcpu and mcpu != host.cpu:
        return _target(NATIVE, architecture, mcpu, mattr, description)
    missing = [need for need in architecture.needs if need not in host.features]
    if missing:
        raise error(
            "E0504",
            f"this machine's CPU, {host.cpu}, lacks {' and '.join(missing)}",
            helps=["name another target, such as --target arm64"],
        )
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
    """The architecture of the host; E0504 if it is neither x86-64 nor arm64."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        host.machine.lower(), host.machine.lower()
    )
    for architecture in ARCHITECTURES:
        if architecture.name == machine:
            return architecture
    raise error(
        "E0504",
        f"mbc has no kernels for this machine ({host.machine})",
        helps=["name another target, such as --target arm64"],
    )


def _target(
    name: str, architecture: Architecture, cpu: str, mattr: str | None, description: str
) -> Target:
    if cpu not in architecture.cpus:
        raise error(
            "E0502",
            f"unknown CPU '{cpu}' for {architecture.name}",
            helps=nearest(cpu, architecture.cpus) or [f"such as {_some(architecture.cpus)}"],
        )
    return _make(name, architecture, cpu, _features(architecture, mattr), description)


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
    l1, l2 = CACHES.get(cpu, (32, 512))
    return Target(
        name=name,
        triple=architecture.triple,
        cpu=cpu,
        isa=architecture.isa,
        features=tuple(features),
        link_triple=architecture.link_triple,
        l1_bytes=l1 * 1024,
        l2_bytes=l2 * 1024,
        description=description,
    )
