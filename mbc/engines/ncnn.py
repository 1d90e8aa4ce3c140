"""ncnn (github.com/Tencent/ncnn), with models converted by pnnx."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import numpy as np

from mbc.diag import error
from mbc.engines.task import Task
from mbc.extras import optional_module

EXTRA = "ncnn"


class Ncnn:
    """Session of ncnn in full precision, batch 1 only. Its OpenMP threads do not spin between
    inferences."""

    distribution: ClassVar[str] = "ncnn"
    on_codes: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        self._ncnn = optional_module("ncnn", EXTRA)
        if any(array.shape[0] != 1 for array in task.inputs.values()):
            raise RuntimeError("it takes one image at a time")
        self._net = self._ncnn.Net()
        self._net.opt.num_threads = task.threads
        self._net.opt.openmp_blocktime = 0
        for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(self._net.opt, f"use_{name}", False)
        parameters, weights = _converted(task)
        if self._net.load_param(str(parameters)) or self._net.load_model(str(weights)):
            raise RuntimeError("the model does not load")
        self._inputs = [self._ncnn.Mat(array[0]) for array in task.inputs.values()]
        self._results = [self._ncnn.Mat() for _ in task.outputs]

    def run(self) -> None:
        extractor = self._net.create_extractor()
        for i, mat in enumerate(self._inputs):
            extractor.input(f"in{i}", mat)
        for i in range(len(self._results)):
            status, self._results[i] = extractor.extract(f"out{i}")
            if status:
                raise RuntimeError(f"output {i} cannot be computed (status {status})")

    def outputs(self) -> tuple[np.ndarray, ...]:
        return tuple(np.array(mat)[None] for mat in self._results)


def _converted(task: Task) -> tuple[Path, Path]:
    """Convert a model to ncnn's format: files of the structure and of the weights."""
    shapes = ",".join(f"{list(x.shape)}f32".replace(" ", "") for x in task.inputs.values())
    command = [_pnnx(), task.model.name, f"inputshape={shapes}", "fp16=0"]
    folder = task.model.parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    paths = tuple(folder / f"{task.model.stem}.ncnn.{kind}" for kind in ("param", "bin"))
    if done.returncode or not all(path.exists() for path in paths):
        raise RuntimeError(f"pnnx failed: {(done.stdout + done.stderr)[-300:]}")
    return paths[0], paths[1]


def _pnnx() -> str:
    """Find the program in the wheel of pnnx, whose Python package would import torch.

    Raises E0610 if pnnx is not installed.
    """
    try:
        files = metadata.files("pnnx") or []
    except metadata.PackageNotFoundError:
        files = []
    program = next((file for file in files if str(file) in ("pnnx/pnnx", "pnnx/pnnx.exe")), None)
    if program is None:
        helps = [f"pip install 'mbc[{EXTRA}]'"]
        raise error("E0610", "the Python package pnnx is not installed", helps=helps)
    return str(program.locate())
