"""Other engines on the same network, weights and input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mbc.diag import MbcError, error
from mbc.driver.export import onnx_model
from mbc.driver.request import Observer
from mbc.engines.catalogue import ENGINES
from mbc.engines.task import Session, Task
from mbc.ir.graph import Graph
from mbc.runtime.abi import interface_of

TOLERANCE = 1e-3
"""Allowed difference of engines, which add in other orders, relative to the largest element."""


def open_rivals(
    names: Iterable[str],
    graph: Graph,
    inputs: Sequence[np.ndarray],
    threads: int,
    folder: Path,
    observer: Observer,
) -> dict[str, Session]:
    """Open the named engines, with the imported graph loaded and its inputs in place. Raises
    E0610 where one is not installed, E0611 where one cannot run the network."""
    observer.step("exporting to ONNX")
    model = onnx_model(graph)
    path = folder / "net.onnx"
    path.write_bytes(model.data)
    specs, _ = interface_of(graph)
    tensors = {
        name: np.ascontiguousarray(array if spec.planar else nchw(array))
        for name, spec, array in zip(model.inputs, specs, inputs, strict=True)
    }
    task = Task(path, tensors, model.outputs, threads)
    return {name: opened(name, task, observer) for name in names}


def opened(name: str, task: Task, observer: Observer) -> Session:
    """Load a model into an engine and run it once; raises E0610, E0611."""
    observer.step(f"loading into {name}")
    try:
        session = ENGINES[name](task)
        session.run()
    except MbcError:
        raise
    except Exception as problem:  # every engine has its own
        raise error("E0611", f"{name} cannot run this network: {problem}") from problem
    return session


def check_answers(sessions: Mapping[str, Session], ours: Sequence[np.ndarray]) -> None:
    """Raise E0612 unless all engines compute the same as mbc (NHWC)."""
    for name, session in sessions.items():
        for theirs, our in zip(session.outputs(), ours, strict=True):
            difference = relative_difference(theirs, nchw(our))
            if not difference <= TOLERANCE:
                raise error(
                    "E0612",
                    f"{name} computes something else than mbc: relative difference "
                    f"{difference:.2g}, at most {TOLERANCE:g} is due to rounding",
                )


def relative_difference(theirs: np.ndarray, ours: np.ndarray) -> float:
    """Largest difference, relative to mbc's largest element; of indices, about some of which
    rounding decides, the share that differ. Infinite if sizes differ. Shapes may: some engines drop
    axes of extent 1."""
    if theirs.size != ours.size:
        return np.inf
    if ours.dtype == np.int32:
        return float(np.mean(theirs.reshape(-1) != ours.reshape(-1)))
    difference = float(np.abs(theirs.reshape(-1) - ours.reshape(-1)).max())
    return difference / float(np.abs(ours).max()) if difference else 0.0


def nchw(array: np.ndarray) -> np.ndarray:
    """Transpose an image to ONNX's order; other tensors are unchanged."""
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array
