"""The engines by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

from mbc.engines.mnn import Mnn
from mbc.engines.ncnn import Ncnn
from mbc.engines.onnx_runtime import OnnxRuntime
from mbc.engines.open_vino import OpenVino
from mbc.engines.task import Session

ENGINES: Mapping[str, type[Session]] = {
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "mnn": Mnn,
    "ncnn": Ncnn,
}


def version(engine: str) -> str:
    """Return the version of an installed engine."""
    return metadata.version(ENGINES[engine].distribution)
