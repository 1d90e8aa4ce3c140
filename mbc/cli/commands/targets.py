"""`mbc targets`: what can be compiled for, and what is known of one target."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.diag import MbcError
from mbc.driver.platforms import libc_state, resolve
from mbc.targets.architecture import Core
from mbc.targets.architectures import core_of
from mbc.targets.boards import Board
from mbc.targets.catalogue import ENTRIES, NATIVE, find_entry
from mbc.targets.emulators import emulated_cpu, not_emulated
from mbc.targets.features import features_of
from mbc.targets.gpu import BOARD_GPUS, GPU_TARGETS, GpuTarget, find_gpu
from mbc.targets.target import Target


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument("target", nargs="?", metavar="TARGET", help="one of them, in detail")
    parser.add_argument("--cc", metavar="CC", help="a compiler instead of zig (also MBC_CC)")


def run(args: argparse.Namespace) -> int:
    """Print a row each; a machine that cannot be a target is no error here."""
    if (gpu := find_gpu(args.target)) is not None:
        console.table(("of the target", gpu.api), [*_gpu_details(gpu)])
        return 0
    if args.target is not None:
        console.table(("of the target", args.target), [*_details(resolve(args.target), args.cc)])
        return 0
    headers = ("target", "description", "aliases", "triple", "cpu", "isa", "libc")
    rows = [_row(NATIVE, "this machine", (), args.cc)]
    rows += [_row(entry.name, entry.description, entry.aliases, args.cc) for entry in ENTRIES]
    rows += [
        (gpu.api, gpu.description, "", "", ", ".join(gpu.arches), "", "") for gpu in GPU_TARGETS
    ]
    console.table(headers, rows)
    return 0


def _gpu_details(gpu: GpuTarget) -> Iterator[tuple[str, str]]:
    yield "description", gpu.description
    yield "--arch", ", ".join(gpu.arches)
    yield "default", gpu.default or "any"
    yield "boards", ", ".join(name for name, found in BOARD_GPUS.items() if found.api == gpu.api)


def _row(name: str, description: str, aliases: tuple[str, ...], cc: str | None) -> tuple[str, ...]:
    listed = ", ".join(aliases)
    try:
        target = resolve(name)
    except MbcError as problem:
        return (name, problem.diagnostics[0].message, listed, "", "", "", "")
    warmth = libc_state(target, cc)
    return (name, description, listed, target.triple, target.cpu, target.isa, warmth)


def _details(target: Target, cc: str | None) -> Iterator[tuple[str, str]]:
    entry = find_entry(target.name)
    yield "description", target.description
    yield "aliases", ", ".join(entry.aliases) if entry else ""
    yield "triple", target.triple
    yield "cpu", " ".join((target.cpu, *target.features))
    yield "vector unit", target.isa
    levels = ("x86-64-", "v8.", "v9")  # names of many features at once
    features = (name for name in features_of(target) if not name.startswith(levels))
    yield "beyond that", ", ".join(sorted(features))
    yield "caches", _caches(target.core)
    if target.board is not None:
        yield from _board(target.board)
    qemu = emulated_cpu(target)
    if target.object_format == "elf":
        found = f"{target.architecture.qemu} -cpu {qemu}" if qemu else None
        yield "emulator", found or f"none: {not_emulated(target)}"
    yield "libc", f"{target.link_triple}, {libc_state(target, cc)}"


def _caches(core: Core) -> str:
    sizes = [f"{size} KiB" for size in (core.l1, core.l2, core.l3) if size]
    return f"{', '.join(sizes[:-1])} and {sizes[-1]}"


def _board(board: Board) -> Iterator[tuple[str, str]]:
    for cores in board.cores:
        yield "cores", f"{cores}, {core_of(cores.cpu).fma} FMA a cycle each"
    yield "peak", f"{2 * board.gmacs:.1f} GFLOP/s of a fast core"
    yield "memory", f"{board.memory_gbs:g} GB/s: {board.memory}"
    yield "source", board.source
