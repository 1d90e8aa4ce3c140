"""The values of an ONNX model in onnxruntime, for `mbc compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mbc.driver.request import Observer, Request
from mbc.driver.rivals import opened, theirs
from mbc.engines.task import Task
from mbc.files import scratch_folder
from mbc.frontends.onnx.importer.values import codes_of, input_shapes, names_of, with_outputs

__all__ = ["codes_of", "engine_values", "names_of"]

NAME = "onnxruntime"


def engine_values(
    request: Request, names: Sequence[str], observer: Observer
) -> Callable[[Mapping[str, np.ndarray]], tuple[np.ndarray, ...]]:
    """Return a function of the inputs in our order of axes, which computes the named values in the
    model's; codes are bytes."""
    shapes = input_shapes(request.file, request.model)

    def compute(inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        given = {
            name: theirs(array, shape)
            for (name, shape), array in zip(shapes.items(), inputs.values(), strict=True)
        }
        with scratch_folder() as folder:
            path = folder / "net.onnx"
            path.write_bytes(with_outputs(request.file, request.model, names))
            task = Task(path, given, tuple(names), threads=1, exact=True)
            return tuple(map(_plain, opened(NAME, task, observer).outputs()))

    return compute


def _plain(array: np.ndarray) -> np.ndarray:
    """Return codes without a sign, and all else as float32."""
    if array.dtype == np.int8:
        return (array.astype(np.int16) + 128).astype(np.uint8)
    return array if array.dtype == np.uint8 else np.asarray(array, np.float32)
