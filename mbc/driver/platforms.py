"""Targets and the tools that link for them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace

from mbc.backends.llvm.host import host_cpu, host_features
from mbc.backends.llvm.link import is_warm, warm_up
from mbc.backends.llvm.toolchain import LinkTarget, Toolchain, choose_toolchain
from mbc.driver.request import Observer
from mbc.targets.architectures.arm import ARM
from mbc.targets.catalogue import ENTRIES, NATIVE, Entry, Host, find_entry, resolve_target
from mbc.targets.target import Target


def this_host() -> Host:
    """Return the machine that mbc runs on."""
    return Host(platform.machine(), host_cpu(), host_features())


def resolve(name: str | None, mcpu: str | None = None, mattr: str | None = None) -> Target:
    """Resolve the target of that name, `native` if there is none; raises E0501 to E0505."""
    return resolve_target(name or NATIVE, mcpu, mattr, host=this_host())


def to_header(target: Target, mattr: str | None) -> dict[str, str]:
    """Return the target as lines of a dump's header; `native` is written as the target that it
    was."""
    entry = find_entry(target.name) or _entry_like(target)
    known = target.cpu in entry.baseline.cpus
    header = {"target": entry.name, "mcpu": target.cpu if known else entry.cpu}
    return header | ({"mattr": mattr} if mattr else {})


def _entry_like(native: Target) -> Entry:
    known = (e for e in ENTRIES if e.baseline.architecture.triple == native.triple)
    return next(e for e in known if native.isa in (e.baseline.isa, e.baseline.better))


def from_header(meta: Mapping[str, str]) -> Target:
    """Return the target that a dump was made for; this machine where the text does not say."""
    return resolve(meta.get("target"), meta.get("mcpu"), meta.get("mattr"))


def link_target(target: Target) -> LinkTarget:
    """Return the platform of a target, as the linker knows it."""
    return LinkTarget(
        target.link_triple,
        object_format=target.object_format,
        arch=target.arch,
        page_bytes=target.page_bytes,
        libc="libc.so" if target.system == "android" else "",
        libc_functions=target.libc_functions,
    )


def program_target(target: Target) -> Target:
    """Return the target of executables. Android's are plain static Linux programs for `adb shell`,
    and those of 32-bit Arm pass floats in registers, as their libc does."""
    if target.system == "android" and target.family == "arm":
        return replace(target, triple=ARM.triple)
    return target


def toolchain(cc: str | None) -> Toolchain:
    """Find the tools that link: zig, or a compiler by name; E0601 if it is not there."""
    return choose_toolchain(cc)


def libc_state(target: Target, cc: str | None) -> str:
    """`warm` if executables for the target link at once, `cold` if a libc must be built first."""
    return "warm" if is_warm(link_target(target), toolchain(cc)) else "cold"


def set_up(target: Target, cc: str | None, observer: Observer) -> None:
    """Build the libc of the target now."""
    warm_up(link_target(target), toolchain(cc), observer.step)
