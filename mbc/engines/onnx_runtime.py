"""ONNX Runtime (onnxruntime.ai)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mbc.engines.task import EXTRA, Task
from mbc.extras import optional_module


class OnnxRuntime:
    """Session of ONNX Runtime: all optimisations, operators in sequence. Its threads sleep between
    inferences."""

    distribution: ClassVar[str] = "onnxruntime"
    on_codes: ClassVar[bool] = True

    def __init__(self, task: Task) -> None:
        ort = optional_module("onnxruntime", EXTRA)
        options = ort.SessionOptions()
        options.intra_op_num_threads = task.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4  # what fails is raised
        # Its threads may spin within an inference, its default; after each they are put to sleep,
        # since they would slow down the next engine.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = _exact(ort, task, options) if task.exact else _session(ort, task, options)
        self._task = task  # keeps the inputs alive
        self._binding = self._session.io_binding()
        for name, array in task.inputs.items():
            self._binding.bind_cpu_input(name, array)
        for name in task.outputs:
            self._binding.bind_output(name, "cpu")

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def outputs(self) -> tuple[np.ndarray, ...]:
        return tuple(self._binding.copy_outputs_to_cpu())


def _exact(ort: Any, task: Task, options: Any) -> Any:
    """Return a session whose pairs of products never saturate, as else they do without VNNI; one as
    usual where onnxruntime cannot: it fails on zero points that several weights share."""
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return _session(ort, task, options)
    except Exception:  # noqa: BLE001  what it raises has no class of its own
        options.add_session_config_entry("session.x64quantprecision", "0")
        return _session(ort, task, options)


def _session(ort: Any, task: Task, options: Any) -> Any:
    return ort.InferenceSession(str(task.model), options, providers=["CPUExecutionProvider"])
