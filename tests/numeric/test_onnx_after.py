"""Networks as they are after a pass, as ONNX models that other engines run."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mbc.diag import MbcError
from mbc.driver.export import onnx_after
from mbc.driver.request import Request, Silent
from mbc.frontends.onnx.export import OnnxModel
from mbc.interp import run
from tests.numeric.test_onnx_export import answers, random_inputs

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = {
    "mobilenet_v2": {"alpha": 0.35, "resolution": 32},
    "shufflenet_v2": {"scale": 0.5, "resolution": 32},
}


def exported(name: str, after: str, **options: Any) -> OnnxModel:
    """The model, which computes what the network does."""
    request = Request(EXAMPLES / f"{name}.py", SMALL[name], target="arm64", **options)
    source, model = onnx_after(request, after, Silent())
    inputs = random_inputs(source.graph)
    found = answers(model.data, inputs)
    for result, expected in zip(found, run(source.graph, inputs).values(), strict=True):
        assert np.abs(result - expected).max() <= 1e-4 * np.abs(expected).max()
    return model


def functions(model: OnnxModel) -> dict[str, list[str]]:
    """The ops in the body of each function that a node calls, by the kind of the function."""
    proto = onnx.load_from_string(model.data)
    called = [node.op_type for node in proto.graph.node if node.domain == "ai.mbc"]
    assert called == [function.name for function in proto.functions]
    return {f.name.rpartition("_")[0]: [node.op_type for node in f.node] for f in proto.functions}


@pytest.mark.parametrize("after", ["fuse-residual-add", "plan-memory"])
def test_fused_kernels_are_functions(after: str) -> None:
    made = functions(exported("mobilenet_v2", after, fuse="always"))
    if after == "plan-memory":
        assert {*made} == {"dw_pw", "inverted_residual"}
        assert made["inverted_residual"].count("Conv") == 3
    else:
        assert made == {}


def test_what_is_read_elsewhere_is_a_function() -> None:
    model = exported("shufflenet_v2", "remap-channel-shuffle")
    made = functions(model)
    assert {*made} == {"channel_view"}
    assert {"Constant", "Concat"} < {*made["channel_view"]}
    graph = onnx.load_from_string(model.data).graph
    read = {name for node in graph.node for name in node.input}
    assert {tensor.name for tensor in graph.initializer} <= read


@pytest.mark.parametrize(
    ("after", "options", "code"),
    [
        ("fold-nothing", {}, "E0510"),
        ("fuse-rows", {"level": 0}, "E0106"),
    ],
)
def test_passes_that_are_not_run(after: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(MbcError) as caught:
        exported("mobilenet_v2", after, **options)
    assert caught.value.diagnostics[0].code == code
