"""OpenVINO (docs.openvino.ai), CPU plugin."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mbc.engines.task import EXTRA, Task
from mbc.extras import optional_module


class OpenVino:
    """Session of OpenVINO, tuned for latency. By default it would compute in bfloat16 where the CPU
    can, and pin threads, mbc's too, to cores."""

    distribution: ClassVar[str] = "openvino"
    on_codes: ClassVar[bool] = True

    def __init__(self, task: Task) -> None:
        openvino = optional_module("openvino", EXTRA)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": task.threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
        }
        compiled = openvino.Core().compile_model(str(task.model), "CPU", settings)
        self._request = compiled.create_infer_request()
        for name, array in task.inputs.items():
            self._request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        self._task = task  # keeps the inputs alive

    def run(self) -> None:
        self._request.infer()

    def outputs(self) -> tuple[np.ndarray, ...]:
        return tuple(self._request.get_tensor(name).data.copy() for name in self._task.outputs)
