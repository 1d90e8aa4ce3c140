"""`mbc compile`: a network becomes an executable, a library and a header for a target."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mbc.backends.llvm.interface import identified, library_ir
from mbc.backends.llvm.link import choose_toolchain
from mbc.cli import console
from mbc.cli.options import (
    add_gpu,
    add_pipeline,
    add_source,
    add_target,
    inspection,
    refuse_nvcc,
    request,
)
from mbc.cli.photos import named_preprocessing
from mbc.cli.usage import Parser, UsageError
from mbc.diag import error, nearest
from mbc.driver.backends import target_of, uses_tvm
from mbc.driver.build import (
    ANDROID_EMIT,
    DEFAULT_EMIT,
    Beside,
    Built,
    Wanted,
    build,
    default_emit,
    default_output,
    lower_graph,
)
from mbc.driver.gpu import build_gpu, source_text
from mbc.driver.output import check_replaceable
from mbc.driver.pipeline import LATER_STAGES, Compiled, compile_graph
from mbc.driver.source import check_name, early_name
from mbc.driver.tvm import build_tvm, module_text
from mbc.driver.workshop import EMITTERS
from mbc.ir.text.printer import print_graph
from mbc.targets.target import Target

HELP = "compile a network for a target"
STEPS = 8


def configure(parser: Parser) -> None:
    """All there is to say about a compilation."""
    add_source(parser)
    add_target(parser)
    add_pipeline(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", dest="output", type=Path, metavar="DIR", help="folder (default build/NET-TARGET)"
    )
    group.add_argument(
        "--name",
        metavar="NAME",
        help="NET: what files and C names begin with (default: the name of FILE, and of the "
        "network if FILE has several)",
    )
    group.add_argument(
        "--emit",
        type=emit_kinds,
        metavar="KINDS",
        help=f"of {', '.join(EMITTERS)} (default {','.join(DEFAULT_EMIT)}; "
        f"for Android {','.join(ANDROID_EMIT)})",
    )
    group.add_argument(
        "--weights-placement",
        choices=("embed", "external"),
        help="in the code (default), or beside it as NET.weights, which is mapped",
    )
    group.add_argument(
        "--no-check",
        dest="check",
        action="store_false",
        help="leave out NET.check.npz, what mbc verify compares with: evaluating the network needs "
        "time and memory",
    )
    group.add_argument(
        "--preprocess",
        type=named_preprocessing,
        metavar="HOW",
        help="record how photos are prepared for the network, as of mbc run, for mbc preprocess",
    )
    group.add_argument("--cc", metavar="CC", help="link with this compiler, not zig (also MBC_CC)")
    group.add_argument("--json", action="store_true", help="print the manifest on stdout")
    group.add_argument(
        "--backend",
        choices=("llvm", "tvm"),
        help="llvm (default): code that needs no runtime; tvm: a module for TVM's (extra `tvm`), "
        "and all that is for GPUs",
    )
    add_gpu(parser)


def emit_kinds(text: str) -> tuple[str, ...]:
    """The argument of --emit; E0107 for a kind that is none, as for any name that mbc knows."""
    kinds = tuple(word.strip() for word in text.split(",") if word.strip())
    listing = f"kinds are {', '.join(EMITTERS)}"
    for kind in kinds:
        if kind not in EMITTERS:
            helps = [*nearest(kind, EMITTERS), listing]
            raise error("E0107", f"there is no artefact '{kind}'", helps=helps)
    if not kinds:
        raise error("E0107", "--emit names no artefact", helps=[listing])
    return kinds


def run(args: argparse.Namespace) -> int:
    """Compile and say what was made; with --stop-after print the IR instead."""
    if args.stop_after not in (None, "emit"):
        return _stop(args)
    wish = request(args)
    target, net = target_of(wish), early_name(wish)
    check_name(args.name)
    refuse_nvcc(args, target)
    if uses_tvm(wish, target):
        _refuse_llvm_options(args)
    if net is not None or args.output is not None:
        _check_output(args, _output(args, net or "", target))
    toolchain = choose_toolchain(args.cc)
    with console.progress(STEPS) as observer:
        compiled = compile_graph(wish, inspection(args), observer, observer.note)
        output = _output(args, compiled.source.net, target)
        _check_output(args, output)
        if target.gpu is not None:
            built = build_gpu(compiled, output, toolchain, args.nvcc, observer, _beside(args))
        elif compiled.tvm:
            built = build_tvm(compiled, output, toolchain, observer, _beside(args))
        else:
            kinds = default_emit(target) if args.emit is None else args.emit
            built = build(compiled, output, _wanted(args, kinds), toolchain, observer)
    _show(built, as_json=args.json)
    return 0


def _output(args: argparse.Namespace, net: str, target: Target) -> Path:
    """The folder to write."""
    named: Path | None = args.output
    under = "-tvm" if uses_tvm(request(args), target) else ""
    return named or default_output(f"{net}{under}", target.name)


def _check_output(args: argparse.Namespace, output: Path) -> None:
    """Errors if the folder cannot be written, as soon as its name is known."""
    _keep_apart(output, args.dump_ir)
    check_replaceable(output)


def _wanted(args: argparse.Namespace, kinds: tuple[str, ...]) -> Wanted:
    external = args.weights_placement == "external"
    return Wanted(kinds, external, _beside(args), args.command_line)


def _beside(args: argparse.Namespace) -> Beside:
    return Beside(args.check, args.preprocess)


def _refuse_llvm_options(args: argparse.Namespace) -> None:
    """What goes with a module of TVM is settled."""
    given = {"--emit": args.emit, "--weights-placement": args.weights_placement}
    for option, value in given.items():
        if value is not None:
            raise error(
                "E0106", f"{option} is for --backend llvm; TVM's modules have all they need"
            )


def _stop(args: argparse.Namespace) -> int:
    """Print the IR after a stage on stdout: graph text, or after `lower` LLVM's or TVM's IR or a
    GPU's source."""
    given = {"-o": args.output, "--json": args.json or None, "--preprocess": args.preprocess}
    for option, value in given.items():
        if value is not None:
            message = f"--stop-after {args.stop_after} makes no files, so {option} is idle"
            raise error("E0106", message)
    observer = console.NoProgress()
    compiled = compile_graph(request(args), inspection(args), observer, observer.note)
    console.result(_text(compiled, lowered=args.stop_after in LATER_STAGES))
    return 0


def _text(compiled: Compiled, *, lowered: bool) -> str:
    if lowered and compiled.target.gpu is not None:
        return source_text(compiled, console.NoProgress())
    if lowered and compiled.tvm:
        return module_text(compiled)
    if lowered:
        return library_ir(identified(lower_graph(compiled, console.NoProgress())))
    return print_graph(compiled.graph)


def _keep_apart(output: Path, dump: Path | None) -> None:
    """The output folder is replaced as a whole, so dumps cannot go there."""
    if dump is not None and dump.resolve().is_relative_to(output.resolve()):
        raise UsageError(
            f"--dump-ir={dump} lies in the output folder {output}",
            ["that folder is replaced as a whole; dump to one beside it"],
        )


def _show(built: Built, *, as_json: bool) -> None:
    manifest = built.manifest
    if as_json:
        console.result(json.dumps(json.loads(manifest.to_json()), indent=2))
        return
    console.note(f"weights: {manifest.weights}")
    sizes = [(name, (built.folder / name).stat().st_size) for name in manifest.files]
    console.result(f"{built.folder}/  ({manifest.target}: {manifest.triple}, {manifest.cpu})")
    width = max((len(name) for name, _ in sizes), default=0)
    for name, size in sizes:
        console.result(f"  {name:<{width}}  {size:>12,} bytes")
    console.result(
        f"  {manifest.macs / 1e6:,.1f} M multiply-adds, {manifest.params:,} parameters, "
        f"arena {manifest.arena_bytes:,} bytes"
        + (f", build {manifest.build}" if manifest.build else "")
    )
