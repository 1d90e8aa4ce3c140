"""The ways in which a module of PyTorch comes to mbc, and how near the answers are."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mbc
from mbc.driver.net import CompiledNet

Way = Callable[[Any, Any, Path], Any]
"""From a module, an input, and a folder for files to what `mbc.compile` takes."""

TOLERANCE = 1e-4
"""Of the largest output."""


def by_torchscript(module: Any, x: Any, folder: Path) -> Any:
    """The exporter of TorchScript."""
    return _onnx(module, x, folder / "torchscript.onnx", dynamo=False, opset_version=17)


def by_dynamo(module: Any, x: Any, folder: Path) -> Any:
    """The exporter of torch.export programs."""
    return _onnx(module, x, folder / "dynamo.onnx", dynamo=True, verbose=False)


def _onnx(module: Any, x: Any, path: Path, **options: Any) -> Path:
    with _quiet():
        torch.onnx.export(module, (x,), path, input_names=["x"], **options)
    return path


def by_export(module: Any, x: Any, folder: Path) -> Any:
    """torch.export without ONNX."""
    return mbc.from_torch(module, (x,), name="exported")


WAYS: Mapping[str, Way] = {
    "TorchScript ONNX": by_torchscript,
    "dynamo ONNX": by_dynamo,
    "torch.export": by_export,
}


def drawn(size: int) -> Any:
    """An image of random numbers."""
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(2))


def answer(module: Any, x: Any) -> np.ndarray:
    """What PyTorch computes."""
    with torch.no_grad():
        made: np.ndarray = module(x).numpy()
    return made


def error_of(net: CompiledNet, x: Any, expected: np.ndarray) -> float:
    """The largest difference, of the largest output."""
    made = net(x.numpy().transpose(0, 2, 3, 1))
    assert isinstance(made, np.ndarray)
    if made.ndim == 4:
        made = made.transpose(0, 3, 1, 2)
    difference = np.abs(made.reshape(expected.shape) - expected).max()
    return float(difference / np.abs(expected).max())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say of their own future."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
