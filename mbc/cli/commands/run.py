"""`mbc run`: compile for this machine and run in this process."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mbc.cli import console
from mbc.cli.inputs import add_input, read_inputs
from mbc.cli.options import (
    add_bytes,
    add_gpu,
    add_pipeline,
    add_source,
    add_threads,
    for_this_machine,
    inspection,
    request,
    team,
    thread_options,
)
from mbc.cli.photos import add_photo_options, is_normalising, preprocessing, refuse_unheard
from mbc.cli.usage import Parser, UsageError, whole_number
from mbc.diag import error
from mbc.driver.configuration import refuse_options, resolve_request
from mbc.driver.net import make_net
from mbc.driver.output import write_array
from mbc.driver.pipeline import compile_configured
from mbc.driver.request import BACKENDS, ORACLE
from mbc.runtime.labels import check_labels, read_labels
from mbc.targets.gpu import GPU_TARGETS

STEPS = 6
SUMMARY_TOP = 5

Labels: TypeAlias = Sequence[str] | None


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser)
    add_bytes(parser)
    for_this_machine(parser)
    add_pipeline(parser)
    add_threads(parser)
    group = parser.add_argument_group("running")
    add_input(group)
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
        "--labels",
        type=Path,
        metavar="FILE",
        help="names of the classes, one a line, to rank with; imagenet: those of ImageNet-1k",
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        help="the kernels of this machine (default llvm), the same run by TVM, or plain numpy",
    )
    group.add_argument(
        "--target",
        choices=("native", *(gpu.api for gpu in GPU_TARGETS)),
        help="run on the CPU (default) or on a GPU of this machine, by TVM's kernels",
    )
    add_gpu(parser)
    add_photo_options(parser)


def run(args: argparse.Namespace) -> int:
    """Compile, run, show."""
    if args.stop_after is not None and args.backend != ORACLE:
        raise error(
            "E0106",
            "--stop-after leaves nothing that kernels could run",
            helps=["--backend oracle runs a graph after any stage"],
        )
    how = preprocessing(args)
    said = how if is_normalising(args) else None
    configuration = resolve_request(replace(request(args), preprocess=said))
    refuse_options(configuration.producer, thread_options(args))
    refuse_unheard(args, args.inputs)
    labels = None if args.labels is None else read_labels(args.labels)
    with console.progress(STEPS) as observer:
        compiled = compile_configured(configuration, inspection(args), observer, observer.note)
        net = make_net(compiled, observer, team(args))
        if labels is not None:
            check_labels(labels, net.outputs, args.labels)
        tensors = read_inputs(net.inputs, args.inputs, how)
        observer.step("running")
        results = net.run(tensors)
    console.note(f"weights: {compiled.source.weights}")
    _write(results, args.outputs)
    _show(results, args.top, labels, quiet=bool(args.outputs))
    return 0


def _write(results: Mapping[str, np.ndarray], paths: list[Path]) -> None:
    if len(paths) > len(results):
        raise UsageError(
            f"--output is given {len(paths)} times, the network has {len(results)} outputs", []
        )
    for array, path in zip(results.values(), paths, strict=False):
        write_array(path, array)


def _show(
    results: Mapping[str, np.ndarray], top: int | None, labels: Labels, *, quiet: bool
) -> None:
    """Print the ranking if it is asked for; without a request and without files a summary, as the
    executable does."""
    several = len(results) > 1
    for name, array in results.items():
        if top is not None:
            console.result("\n".join(ranking(name, array, top, labels, several=several)))
        elif not quiet:
            console.result("\n".join(summary(name, array, labels, several=several)))


def ranking(
    name: str, array: np.ndarray, top: int, labels: Labels, *, several: bool
) -> Iterator[str]:
    """`rank index value`, and the label if there are any, of the largest along the last axis, for
    each row of the others."""
    rows = array.reshape(-1, array.shape[-1])
    for number, row in enumerate(rows):
        if several or len(rows) > 1:
            yield f"# {name} row {number}"
        for rank, index in enumerate(np.argsort(-row.astype(np.float64), kind="stable")[:top], 1):
            label = f" {labels[index]}" if labels else ""
            yield f"{rank} {index} {_number(row[index])}{label}"


def _number(value: np.generic) -> str:
    """Format an element; integers with all their digits."""
    return str(value) if value.dtype == np.int32 else f"{value:.6g}"


def summary(name: str, array: np.ndarray, labels: Labels, *, several: bool) -> Iterator[str]:
    """Shape and range; for scores, one row an image, their ranking too."""
    shape = f"({', '.join(map(str, array.shape))})"
    with np.errstate(invalid="ignore"):  # of infinities of both signs it is NaN
        mean = array.mean(dtype=np.float64)
    least, most = _number(array.min()), _number(array.max())
    yield f"{name} {shape}: min {least}, mean {mean:.6g}, max {most}"
    if (
        array.dtype != np.int32
        and array.ndim > 1
        and array.size == array.shape[0] * array.shape[-1]
    ):
        yield from ranking(name, array, SUMMARY_TOP, labels, several=several)
