"""Small ONNX models made by hand, and what onnxruntime and the oracle say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from mbc.backends.llvm.backend import LlvmBackend
from mbc.driver.platforms import resolve
from mbc.frontends.onnx.importer import import_onnx
from mbc.frontends.options import ModelOptions
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.verify import verify
from mbc.passes.pipelines import O2
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.passmgr.pipeline import stop_after

Array = np.ndarray


@dataclass
class Drawing:
    """A model under construction: nodes by `op`, constants drawn from a seed by `weight`."""

    opset: int = 18
    inputs: dict[str, tuple[int | str, ...]] = field(
        default_factory=lambda: dict[str, tuple[int | str, ...]](x=(1, 8, 6, 6))
    )
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    """Types of outputs that are not float."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def op(self, kind: str, *inputs: str, results: int = 1, **attributes: Any) -> str:
        """Add a node, and return the name of its first result; the others end in .1, .2, …."""
        name = f"{kind.lower()}{len(self.nodes)}"
        outputs = [name, *(f"{name}.{i}" for i in range(1, results))]
        made = helper.make_node(kind, list(inputs), outputs, name=f"/{name}", **attributes)
        self.nodes.append(made)
        return name

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """Store a constant, and return its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array(value, dtype)
        return name

    def weight(self, *shape: int) -> str:
        """Store a drawn constant of a size for the reach of a filter, and return its name."""
        scale = np.sqrt(max(np.prod(shape[1:], dtype=int), 1))
        return self.constant(self.rng.standard_normal(shape) / scale, np.float32)

    def conv(self, x: str, outputs: int, inputs: int, kernel: int = 1, **attributes: Any) -> str:
        """Add a convolution with a bias."""
        weight = self.weight(outputs, inputs, kernel, kernel)
        return self.op("Conv", x, weight, self.weight(outputs), **attributes)

    def model(self, *outputs: str, ir_version: int = 8) -> Any:
        """Return the ModelProto."""
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in self.inputs.items()
        ]
        kinds = {name: self.kinds.get(name, TensorProto.FLOAT) for name in outputs}
        made = [helper.make_tensor_value_info(name, kinds[name], None) for name in outputs]
        initializers = [numpy_helper.from_array(a, name) for name, a in self.constants.items()]
        graph = helper.make_graph(self.nodes, "drawn", values, made, initializers)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def imported(
    model: Any,
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    note: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> Graph:
    """Write a model, and import it."""
    path = folder / "net.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    graph = import_onnx(path, ModelOptions(shapes or {}, **options), note).graph
    verify(graph)
    return graph


def nhwc(array: Array) -> Array:
    """An image as mbc has it, [n,c,1,1] as [n,c]; all else as it is."""
    if array.ndim != 4:
        return array
    moved = array.transpose(0, 2, 3, 1)
    return moved.reshape(array.shape[:2]) if array.shape[2:] == (1, 1) else moved


def evaluated(graph: Graph, x: Array) -> Array:
    """The only output, for an input in ONNX's order."""
    (value,) = graph.inputs
    given = x if x.shape == value.type.shape else x.transpose(0, 2, 3, 1)
    (found,) = run(graph, {value.name: given}).values()
    return found if found.ndim != 4 else found.transpose(0, 3, 1, 2)


def by_onnxruntime(model: Any, inputs: Mapping[str, Array]) -> Sequence[Array]:
    """The outputs in ONNX's layout."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, options)
    outputs: Sequence[Array] = session.run(None, dict(inputs))
    return outputs


def agree(drawing: Drawing, folder: Path, *outputs: str, ir_version: int = 8) -> Graph:
    """Import the drawing, check its outputs against onnxruntime, and return the graph."""
    model = drawing.model(*outputs, ir_version=ir_version)
    rng = np.random.default_rng(1)
    given = {
        name: rng.standard_normal([int(e) for e in shape]).astype(np.float32)
        for name, shape in drawing.inputs.items()
    }
    graph = imported(model, folder)
    stored = {
        value.name: x if x.shape == value.type.shape else x.transpose(0, 2, 3, 1)
        for value, x in zip(graph.inputs, given.values(), strict=True)
    }
    for found, expected in zip(
        run(graph, stored).values(), by_onnxruntime(model, given), strict=True
    ):
        expected = expected if found.shape == expected.shape else nhwc(expected)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(np.abs(expected).max(), 1))
    return graph


def moves_after_fuse(graph: Graph) -> list[str]:
    """The nodes that only move data after the stage `fuse`, and views that need a copy."""
    context = PassContext(LlvmBackend(resolve("arm64")))
    run_pipeline(graph, stop_after(O2, "fuse", ()), context, [])
    return [repr(node) for node in graph.topo() if node.op.moves_data_only]
