"""MNN (github.com/alibaba/MNN)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mbc.engines.task import EXTRA, Task
from mbc.extras import optional_module

# The converter runs as a process since it prints. Its wrapper `MNN.tools.mnnconvert` would send a
# report to the vendor.
CONVERT = "import sys, _tools; _tools.mnnconvert(sys.argv)"


class Mnn:
    """Session of MNN in full precision. Its threads sleep between inferences."""

    distribution: ClassVar[str] = "MNN"
    on_codes: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        self._mnn = optional_module("MNN", EXTRA)
        self._interpreter = self._mnn.Interpreter(str(_converted(task.model)))
        settings = {"backend": "CPU", "numThread": task.threads, "precision": "high"}
        self._session = self._interpreter.createSession({**settings, "power": "high"})
        for name, array in task.inputs.items():
            held = self._interpreter.getSessionInput(self._session, name)
            held.copyFrom(self._tensor(array))
        self._outputs = task.outputs

    def run(self) -> None:
        self._interpreter.runSession(self._session)

    def outputs(self) -> tuple[np.ndarray, ...]:
        held = [self._interpreter.getSessionOutput(self._session, name) for name in self._outputs]
        return tuple(self._copied(tensor) for tensor in held)

    def _copied(self, tensor: Any) -> np.ndarray:
        array = np.zeros(tensor.getShape(), np.float32)
        copy = self._tensor(array)
        tensor.copyToHostTensor(copy)
        return np.array(copy.getNumpyData(), np.float32)

    def _tensor(self, array: np.ndarray) -> Any:
        kind, order = self._mnn.Halide_Type_Float, self._mnn.Tensor_DimensionType_Caffe
        return self._mnn.Tensor(array.shape, kind, array, order)


def _converted(model: Path) -> Path:
    """Convert a model to MNN's format."""
    model = model.absolute()
    path = model.with_suffix(".mnn")
    options = ["-f", "ONNX", "--modelFile", str(model), "--MNNModel", str(path), "--bizCode", "mbc"]
    command = [sys.executable, "-c", CONVERT, *options]
    done = subprocess.run(  # it leaves files where it runs
        command, capture_output=True, text=True, errors="replace", cwd=path.parent
    )
    if done.returncode or not path.exists():
        raise RuntimeError(f"the converter failed: {(done.stdout + done.stderr)[-300:]}")
    return path
