"""`mbc compile`: a network becomes an executable, a library and a header for a target."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import (
    add_bytes,
    add_gpu,
    add_pipeline,
    add_source,
    add_target,
    inspection,
    request,
)
from mbc.cli.photos import named_preprocessing
from mbc.cli.usage import Parser, UsageError
from mbc.diag import error, nearest
from mbc.driver.build import Built, build, default_output
from mbc.driver.configuration import refuse_options, resolve_request
from mbc.driver.output import check_replaceable
from mbc.driver.pipeline import LATER_STAGES, compile_configured, compile_graph
from mbc.driver.platforms import toolchain
from mbc.driver.producers.llvm_files import ANDROID_EMIT, DEFAULT_EMIT, EMITTERS
from mbc.driver.producers.producer import Wanted
from mbc.driver.request import LLVM, TVM, Request
from mbc.driver.source import check_name, early_name
from mbc.ir.text.printer import print_graph
from mbc.runtime.abi import interface_of
from mbc.runtime.labels import check_labels, read_labels

STEPS = 8


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser)
    add_bytes(parser)
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
    group.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="names of the classes, one a line, that the executable prints beside their numbers; "
        "imagenet: those of ImageNet-1k",
    )
    group.add_argument("--cc", metavar="CC", help="link with this compiler, not zig (also MBC_CC)")
    group.add_argument("--json", action="store_true", help="print the manifest on stdout")
    group.add_argument(
        "--backend",
        choices=(LLVM, TVM),
        help="llvm (default): code that needs no runtime; tvm: a module for TVM's (extra `tvm`), "
        "and all that is for GPUs",
    )
    add_gpu(parser)


def emit_kinds(text: str) -> tuple[str, ...]:
    """Parse the argument of --emit; E0107 for an unknown kind."""
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
    """Compile and print what was made; with --stop-after print the IR instead."""
    if args.stop_after not in (None, "emit"):
        return _stop(args)
    configuration = resolve_request(_request(args))
    producer, net = configuration.producer, early_name(configuration.request)
    check_name(args.name)
    given = {
        "--emit": args.emit,
        "--weights-placement": args.weights_placement,
        "--labels": args.labels,
    }
    refuse_options(producer, given)
    if net is not None or args.output is not None:
        _check_output(args, args.output or default_output(producer, net or ""))
    wanted = _wanted(args)
    with console.progress(STEPS) as observer:
        compiled = compile_configured(configuration, inspection(args), observer, observer.note)
        if wanted.labels is not None:
            check_labels(wanted.labels, interface_of(compiled.graph)[1], args.labels)
        output = args.output or default_output(producer, compiled.source.net)
        _check_output(args, output)
        built = build(compiled, output, wanted, observer)
    _show(built, as_json=args.json)
    return 0


def _request(args: argparse.Namespace) -> Request:
    return replace(request(args), preprocess=args.preprocess)


def _check_output(args: argparse.Namespace, output: Path) -> None:
    """Raise E0101, E0702 or E0703 if the folder cannot be written."""
    _keep_apart(output, args.dump_ir)
    check_replaceable(output)


def _wanted(args: argparse.Namespace) -> Wanted:
    """Collect the contents of the folder; E0601 for a compiler that is not there."""
    if args.labels is not None and "exe" not in (args.emit or ("exe",)):
        raise error("E0106", "--labels is for the executable, and --emit does not name exe")
    return Wanted(
        toolchain=toolchain(args.cc),
        kinds=args.emit,
        external_weights=args.weights_placement == "external",
        check=args.check,
        photos=args.preprocess,
        labels=None if args.labels is None else read_labels(args.labels),
        command=args.command_line,
    )


def _stop(args: argparse.Namespace) -> int:
    """Print the IR after a stage on stdout: the graph's text, or from `lower` on the lowered
    program's."""
    given = {
        "-o": args.output,
        "--json": args.json or None,
        "--preprocess": args.preprocess,
        "--labels": args.labels,
    }
    for option, value in given.items():
        if value is not None:
            message = f"--stop-after {args.stop_after} writes no files, so {option} has no effect"
            raise error("E0106", message)
    observer = console.NoProgress()
    compiled = compile_graph(_request(args), inspection(args), observer, observer.note)
    if args.stop_after in LATER_STAGES:
        console.result(compiled.producer.text(compiled, observer))
    else:
        console.result(print_graph(compiled.graph))
    return 0


def _keep_apart(output: Path, dump: Path | None) -> None:
    """Raise E0101 for dumps in the output folder, which is replaced as a whole."""
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
