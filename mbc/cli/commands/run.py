"""`mbc run`: compile for this machine and run in this process."""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mbc.cli import console
from mbc.cli.options import add_pipeline, add_source, for_this_machine, inspection, request
from mbc.cli.usage import Parser, UsageError, whole_number
from mbc.diag import error
from mbc.driver.net import Net, make_net
from mbc.driver.output import write_bytes
from mbc.driver.pipeline import compile_graph
from mbc.runtime.images import read_input

HELP = "compile a network for this machine and run it on an input"
STEPS = 6
SUMMARY_TOP = 5


def configure(parser: Parser) -> None:
    """Input, output and who computes."""
    add_source(parser)
    for_this_machine(parser)
    add_pipeline(parser)
    group = parser.add_argument_group("running")
    group.add_argument(
        "--input",
        dest="inputs",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help=".npy: the tensor itself, NHWC; else a photo; once for each input, in order",
    )
    group.add_argument(
        "--output",
        dest="outputs",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.npy",
        help="write the tensor; once for each output, in order",
    )
    group.add_argument(
        "--top", type=whole_number(1), metavar="K", help="print the K largest: rank index value"
    )
    group.add_argument(
        "--backend",
        choices=("llvm", "oracle"),
        default="llvm",
        help="the kernels of this machine, or plain numpy",
    )


def run(args: argparse.Namespace) -> int:
    """Compile, run, show."""
    if args.stop_after is not None and args.backend != "oracle":
        raise error(
            "E0106",
            "--stop-after leaves nothing that kernels could run",
            helps=["--backend oracle runs a graph after any stage"],
        )
    with console.progress(STEPS) as observer:
        compiled = compile_graph(request(args), inspection(args), observer, observer.note)
        net = make_net(compiled, args.backend, observer)
        tensors = _read(net, args.inputs)
        observer.step("running")
        results = net.run(tensors)
    console.note(f"weights: {compiled.source.weights}")
    _write(results, args.outputs)
    _show(results, args.top, quiet=bool(args.outputs))
    return 0


def _read(net: Net, paths: list[Path]) -> dict[str, np.ndarray]:
    if len(paths) != len(net.inputs):
        listed = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in net.inputs)
        raise UsageError(
            f"--input must be given {len(net.inputs)} times, not {len(paths)}",
            [f"once for each input: {listed}"],
        )
    pairs = zip(net.inputs, paths, strict=True)
    return {spec.name: read_input(path, spec.shape) for spec, path in pairs}


def _write(results: Mapping[str, np.ndarray], paths: list[Path]) -> None:
    if len(paths) > len(results):
        raise UsageError(
            f"--output is given {len(paths)} times, the network has {len(results)} outputs", []
        )
    for array, path in zip(results.values(), paths, strict=False):
        stream = io.BytesIO()
        np.save(stream, array)
        write_bytes(path, stream.getvalue())


def _show(results: Mapping[str, np.ndarray], top: int | None, *, quiet: bool) -> None:
    """The ranking if asked for; without a request and without files a summary, as the executable
    prints them."""
    for name, array in results.items():
        if top is not None:
            console.result("\n".join(ranking(name, array, top, label=len(results) > 1)))
        elif not quiet:
            console.result("\n".join(summary(name, array, label=len(results) > 1)))


def ranking(name: str, array: np.ndarray, top: int, *, label: bool) -> Iterator[str]:
    """`rank index value` of the largest along the last axis, for each row of the others."""
    rows = array.reshape(-1, array.shape[-1])
    for number, row in enumerate(rows):
        if label or len(rows) > 1:
            yield f"# {name} row {number}"
        for rank, index in enumerate(np.argsort(-row, kind="stable")[:top], 1):
            yield f"{rank} {index} {row[index]:.6g}"


def summary(name: str, array: np.ndarray, *, label: bool) -> Iterator[str]:
    """Shape and range; for scores, one row an image, their ranking too."""
    shape = f"({', '.join(map(str, array.shape))})"
    mean = array.mean(dtype=np.float64)
    yield f"{name} {shape}: min {array.min():.6g}, mean {mean:.6g}, max {array.max():.6g}"
    if array.ndim > 1 and array.size == array.shape[0] * array.shape[-1]:
        yield from ranking(name, array, SUMMARY_TOP, label=label)
