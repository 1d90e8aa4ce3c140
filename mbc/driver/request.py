"""The request to the compiler that all commands share, and callbacks for its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal, Protocol, get_args

from mbc.frontends.options import AS_IT_IS, ModelOptions
from mbc.ir.graph import Graph
from mbc.records import dataclass
from mbc.runtime.preprocessing import Preprocessing

BackendName = Literal["llvm", "tvm", "oracle"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
LLVM, TVM, ORACLE = BACKENDS


@dataclass(frozen=True)
class Request:
    """A network, a target, and the options of the compilation, under the names of the options.

    None means that an option was not given; its default is filled in where it is needed.
    """

    file: Path
    """The network (.py), a model (.onnx, .tflite, .pt2) or IR text (.mbc)."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Parameters of the network, set by -D."""
    batch: int | None = None
    """Images at a time."""
    network: str | None = None
    """Name of the network in the file."""
    model: ModelOptions = AS_IT_IS
    """Options of the import of a model."""
    weights: Path | None = None
    """A .safetensors or .npz file, or a state dict of PyTorch."""
    weights_from: str | None = None
    """The library whose names its tensors have; it sets parameters of the network too."""
    seed: int | None = None
    """Seed of the weights' initialisation."""
    quantize: Path | None = None
    """The file of mbc quantize by which it computes on codes."""
    input_dtype: str | None = None
    """Element type in which callers give inputs: `u8`, or NAME=u8 for some of them."""
    normalize: str | None = None
    """What the network makes of bytes, as `parse_normalisation` reads it."""
    preprocess: Preprocessing | None = None
    """How photos are prepared: bytes are normalised likewise, unless `normalize` says how."""
    target: str | None = None
    """Name in the catalogue, of a GPU's API, or `native`."""
    mcpu: str | None = None
    """CPU, by LLVM's name."""
    mattr: str | None = None
    """Features to add or remove, by LLVM's names."""
    backend: str | None = None
    """One of `BACKENDS`."""
    arch: str | None = None
    """Architecture of the GPU."""
    nvcc: str | None = None
    """CUDA's compiler."""
    level: int | None = None
    """Optimisation level, 0 to 3."""
    optimize: str | None = None
    """Goal of fusion: speed or memory."""
    fuse: str | None = None
    """When kernels are fused: auto, always or never."""
    strassen: bool = True
    """Whether layers may be multiplied by Strassen's method."""
    passes: str | None = None
    """Passes to run instead of those of the level."""
    stop_after: str | None = None
    """The last stage to run."""
    name: str | None = None
    """Prefix of C names and of files."""
    graph: Graph | None = None
    """An imported graph, which `file` only names; None: the file is read."""


class Observer(Protocol):
    """Progress callbacks."""

    def step(self, text: str) -> None:
        """Note that a step of the work begins."""

    def note(self, text: str) -> None:
        """Take text that the user should read afterwards."""


class Silent:
    """Discards progress."""

    def step(self, text: str) -> None:
        """Discard the text."""

    def note(self, text: str) -> None:
        """Discard the text."""
