"""Other engines on the same network, weights and input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mbc.diag import MbcError, error
from mbc.driver.export import onnx_model
from mbc.driver.request import Observer, Request
from mbc.engines.catalogue import ENGINES
from mbc.engines.task import Session, Task
from mbc.ir.graph import Graph
from mbc.runtime.abi import interface_of

TOLERANCE = 1e-3
"""Allowed difference of engines, which add in other orders, relative to the largest element."""
ROUNDED = 0.1
"""The same of engines that round to codes, each by its own arithmetic."""


def open_rivals(
    names: Iterable[str],
    graph: Graph,
    inputs: Sequence[np.ndarray],
    threads: int,
    folder: Path,
    observer: Observer,
    own: Request | None = None,
) -> dict[str, Session]:
    """Open the named engines, with the imported graph loaded and its inputs in place; with the ONNX
    model itself of a quantised one, `own`. Raises E0610 where one is not installed, E0611 where one
    cannot run the network."""
    path = folder / "net.onnx"
    specs, _ = interface_of(graph)
    if own is None:
        observer.step("exporting to ONNX")
        model = onnx_model(graph)
        path.write_bytes(model.data)
        outputs = model.outputs
        arrays = [
            np.ascontiguousarray(array if spec.planar else nchw(array))
            for spec, array in zip(specs, inputs, strict=True)
        ]
        tensors = dict(zip(model.inputs, arrays, strict=True))
    else:
        tensors, outputs = _as_it_is(own, path, inputs)
    task = Task(path, tensors, outputs, threads)
    return {name: opened(name, task, observer) for name in names}


def _as_it_is(
    own: Request, path: Path, inputs: Sequence[np.ndarray]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Write an ONNX model for engines; returns its inputs in its own order of axes, and the names
    of its outputs."""
    if own.file.suffix != ".onnx" or own.model.inputs:
        reason = "a part of one" if own.model.inputs else "none"
        what = f"other engines take quantised networks as whole ONNX models; {own.file} is {reason}"
        raise error("E0106", what, helps=["--float takes it in float32"])
    from mbc.frontends.onnx.importer.values import input_shapes, names_of, with_outputs

    _, outputs = names_of(own.file, own.model)
    path.write_bytes(with_outputs(own.file, own.model, outputs))
    shapes = input_shapes(own.file, own.model)
    pairs = zip(shapes.items(), inputs, strict=True)
    return {name: theirs(array, shape) for (name, shape), array in pairs}, outputs


def theirs(array: np.ndarray, shape: tuple[int, ...] | None) -> np.ndarray:
    """Return an input in the model's order: an image is NCHW there, unless its shape says that it
    is as here."""
    turned = nchw(array)
    return np.ascontiguousarray(array if shape == array.shape != turned.shape else turned)


def check_codes(names: Iterable[str]) -> None:
    """Raise E0611 for engines that do not compute on the codes of an ONNX model."""
    able = [name for name, engine in ENGINES.items() if engine.on_codes]
    for name in names:
        if name not in able:
            helps = [f"--vs {','.join(able)}, or a network in float"]
            raise error("E0611", f"{name} takes no quantised ONNX models", helps=helps)


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


def check_answers(
    sessions: Mapping[str, Session], ours: Sequence[np.ndarray], tolerance: float = TOLERANCE
) -> None:
    """Raise E0612 unless all engines compute the same as mbc (NHWC)."""
    for name, session in sessions.items():
        for theirs, our in zip(session.outputs(), ours, strict=True):
            difference = relative_difference(theirs, nchw(our))
            if not difference <= tolerance:
                raise error(
                    "E0612",
                    f"{name} computes something else than mbc: relative difference "
                    f"{difference:.2g}, at most {tolerance:g} is due to rounding",
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
