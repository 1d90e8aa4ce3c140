"""What is done for one point of a sweep in a process of its own, where others are compiled beside
it: its sizes, what it gets right, and its module for a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mbc.diag import MbcError, error
from mbc.driver.build import build
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.platforms import toolchain
from mbc.driver.producers.producer import Compiled, Wanted
from mbc.driver.remote import Job, make_job
from mbc.driver.request import TVM, Request, Silent
from mbc.driver.samples import of_folder
from mbc.driver.sweep.plan import Photos
from mbc.files import scratch_folder
from mbc.records import dataclass
from mbc.report.sweep.axes import Point
from mbc.report.sweep.rows import Failure
from mbc.runtime.abi import interface_of
from mbc.runtime.pool import Team
from mbc.targets.catalogue import NATIVE

LIBRARY = "lib"
"""The kind of file whose size is a point's: code and weights, to link with a program."""


@dataclass(frozen=True)
class Task:
    """A piece of the work."""

    points: tuple[Point, ...]
    """The points that it is for."""
    request: Request
    mhz: float | None = None
    """Clock of the target, where it is known: predictions are in cycles."""
    photos: Photos | None = None
    """Count the accuracy, instead of the sizes."""
    module: Path | None = None
    """Write a module of TVM there, instead of the sizes."""


@dataclass(frozen=True)
class Found:
    """What came of a task."""

    points: tuple[Point, ...]
    figures: Mapping[str, float]
    failure: Failure | None = None
    job: Job | None = None
    """What a board has to do."""


def perform(task: Task) -> Found:
    """Do a task; mistakes of the user are among what is found."""
    try:
        if task.module is not None:
            return Found(task.points, {}, job=_module(task.request, task.module))
        figures = _sizes(task) if task.photos is None else _accuracy(task.request, task.photos)
    except MbcError as problem:
        return Found(task.points, {}, failure_of(problem))
    return Found(task.points, figures)


def failure_of(problem: MbcError) -> Failure:
    """Return an error as a row of a sweep has it; of several the first."""
    first = problem.diagnostics[0]
    return Failure(first.code, first.message, refused=first.code.startswith("E02"))


def compiled(request: Request) -> Compiled:
    """Compile a point in silence."""
    return compile_graph(request, Inspection(), Silent(), Silent().note)


def _sizes(task: Task) -> dict[str, float]:
    network = compiled(task.request)
    with scratch_folder() as folder:
        wanted = Wanted(toolchain(None), kinds=(LIBRARY,), check=False)
        built = build(network, folder / "out", wanted, Silent())
        file_bytes = (built.folder / f"lib{built.manifest.name}.a").stat().st_size
    figures = {
        "macs": float(network.source.totals.macs),
        "params": float(network.source.totals.params),
        "arena": float(built.manifest.arena_bytes),
        "file": float(file_bytes),
    }
    if task.mhz:
        figures["predicted"] = predicted_cycles(network) / task.mhz / 1e3
    return figures


def predicted_cycles(network: Compiled) -> float:
    """Sum up the cycles that the cost model predicts on one core."""
    backend = network.producer.backend()
    return sum(backend.predict(node).cycles for node in network.graph.topo())


def _module(request: Request, path: Path) -> Job:
    return make_job(compiled(replace(request, backend=TVM)), path, Silent())


def _accuracy(request: Request, photos: Photos) -> dict[str, float]:
    """Count how often the largest output is the photo's class, by code for this machine."""
    network = compiled(replace(request, target=NATIVE))
    inputs, outputs = interface_of(network.graph)
    if len(outputs) != 1 or len(outputs[0].shape) != 2 or outputs[0].dtype == "i32":
        raise error(
            "E0106", "accuracy is for networks whose one output has a number for each class"
        )
    samples = of_folder(photos.folder, inputs, photos.preprocessing, photos.most)
    engine = network.producer.engine(network, Team(), Silent())
    winners = [int(np.argmax(engine(sample)[outputs[0].name])) for sample in samples.inputs]
    assert samples.labels is not None  # the plan has looked
    right = sum(a == b for a, b in zip(winners, samples.labels, strict=True))
    return {"accuracy": right / len(winners)}
