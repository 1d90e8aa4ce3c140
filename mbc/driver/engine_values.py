"""The values of an ONNX model in onnxruntime, for `mbc compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mbc.driver.request import Observer, Request
from mbc.driver.rivals import nchw, opened
from mbc.engines.task import Task
from mbc.files import scratch_folder
from mbc.frontends.onnx.importer.values import input_shapes, results_of, with_outputs

__all__ = ["engine_values", "results_of"]

NAME = "onnxruntime"


def engine_values(
    request: Request, names: Sequence[str], observer: Observer
) -> Callable[[Mapping[str, np.ndarray]], tuple[np.ndarray, ...]]:
    """Return a function of the inputs in our order of axes, which computes the named values in the
    model's."""
    shapes = input_shapes(request.file, request.model)

    def compute(inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        given = {
            name: theirs(array, shape)
            for (name, shape), array in zip(shapes.items(), inputs.values(), strict=True)
        }
        with scratch_folder() as folder:
            path = folder / "net.onnx"
            path.write_bytes(with_outputs(request.file, request.model, names))
            session = opened(NAME, Task(path, given, tuple(names), threads=1), observer)
            return tuple(np.asarray(array, np.float32) for array in session.outputs())

    return compute


def theirs(array: np.ndarray, shape: tuple[int, ...] | None) -> np.ndarray:
    """Return an input in the model's order: an image is NCHW there, unless its shape says that it
    is as here."""
    turned = nchw(array)
    return np.ascontiguousarray(array if shape == array.shape != turned.shape else turned)
