"""Arithmetic on tensors, numbers and weights, and the operators that tensors do not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.dsl import Tensor
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ir.op import OpError
from mbc.ir.types import TensorType
from mbc.ops import Prelu
from mbc.ops.cost import learned_params
from tests.unit.test_dsl import build, code, nn_names


def test_prelu_has_a_slope_for_each_channel_or_one_for_all() -> None:
    nn = build()
    x = nn.input(2, 2, 3)
    conv = nn.conv(x, 3, 1)
    results = nn.prelu(conv), nn.prelu(nn.batch_norm(conv), shared=True), nn.prelu(x, name="act")
    nn.graph.set_outputs([result.value for result in results])
    shapes = {name: constant.type.shape for name, constant in nn.graph.constants().items()}
    assert shapes["conv.prelu.weight"] == (3,)
    assert shapes["conv.prelu2.weight"] == (1,)
    assert shapes["act.weight"] == (3,)
    initialise(nn.graph)
    for name in ("conv.prelu.weight", "conv.prelu2.weight", "act.weight"):
        slopes = nn.graph.constants()[name].array
        assert ((slopes >= 0.2) & (slopes <= 0.3)).all()
    given = np.array([-2, 0, 2, 1, -1, 3, -4, 4, -8, 0.5, 0, -0.5], np.float32).reshape(1, 2, 2, 3)
    *_, found = run(nn.graph, {"input": given}).values()
    expected = np.where(given < 0, given * nn.graph.constants()["act.weight"].array, given)
    np.testing.assert_array_equal(found, expected)


def test_slopes_are_broadcast_alone() -> None:
    with pytest.raises(OpError, match="prelu needs slopes that broadcast"):
        Prelu().infer([TensorType((1, 1, 1, 4)), TensorType((1, 2, 2, 4))])


def test_operators_are_layers() -> None:
    nn = build()
    a, b = nn.input(2, 2, 4), nn.input(2, 2, 4)
    scale = nn.weight(4, name="scale")
    results = [a - b, 1 - a, a * 2.5, scale * a, a / b, 1 / a, -a, nn.minimum(a, b)]
    results += [
        nn.maximum(float(np.float32(3.5)), a),
        np.float32(3.5) * a,
        nn.sub(b, scale),
        0.0 + a,
    ]
    nn.graph.set_outputs([result.value for result in results])
    scale.constant.data = np.array([1, 2, 3, 4], np.float32)
    x, y = (np.full((1, 2, 2, 4), n, np.float32) for n in (3, 5))
    found = run(nn.graph, dict(zip(nn_names(nn), (x, y), strict=True)))
    s = scale.constant.array
    expected = [
        x - y,
        1 - x,
        x * 2.5,
        s * x,
        x / y,
        1 / x,
        -x,
        x,
        np.full_like(x, 3.5),
        3.5 * x,
        y - s,
        x,
    ]
    for array, wanted in zip(found.values(), expected, strict=True):
        assert (array == wanted).all()
    numbers = {c.name: c.type for c in nn.graph.constants().values() if c.literal}
    assert set(numbers) == {"1.0", "2.5", "-1.0", "3.5", "0.0"}
    assert learned_params(nn.graph) == 4


def test_a_weight_has_a_name_and_extents() -> None:
    nn = build()
    assert str(nn.weight(2, 1, 1, 4, name="gate").constant.type) == "f32[2,1,1,4]"
    mistakes: list[tuple[Callable[[], object], str]] = [
        (lambda: nn.weight(4, name="gate"), "E0217"),
        (lambda: nn.weight(4, name="1.0"), "E0220"),
        (lambda: nn.weight(name="none"), "E0218"),
        (lambda: nn.weight([4], name="list"), "E0218"),  # type: ignore[arg-type]
        (lambda: nn.weight(2**28, 4, name="large"), "E0206"),
    ]
    for mistake, expected in mistakes:
        with pytest.raises(MbcError) as caught:
            mistake()
        assert code(caught) == expected


def test_one_operand_is_a_tensor() -> None:
    nn = build()
    with pytest.raises(MbcError, match="mul needs a tensor, found 2 and 3"):
        nn.mul(2, 3)
    with pytest.raises(MbcError, match="takes tensors, weights and numbers"):
        nn.mul(nn.input(4), build().weight(4, name="elsewhere"))


def test_tensors_of_another_network_do_not_add_up() -> None:
    with pytest.raises(MbcError) as caught:
        build().input(4) + build().input(4)
    assert code(caught) == "E0218"


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: np.ones(4) + x,
        lambda x: x + np.ones(4),
        lambda x: x + "1",
        lambda x: x * True,
        lambda x: x * 1e39,
        lambda x: x / float("nan"),
        lambda x: x - None,
        lambda x: np.ones(4) - x,
        lambda x: x * np.ones(4),
        lambda x: x // 2,
        lambda x: x % 2,
        lambda x: x**2,
        lambda x: x @ x,
        lambda x: np.ones((4, 4)) @ x,
        lambda x: x[0],
        lambda x: x[..., :2],
        lambda x: list(x),
        lambda x: len(x),
        lambda x: bool(x),
        lambda x: not x,
        lambda x: int(x),
        lambda x: float(x),
        lambda x: x < 1,
        lambda x: 1 in x,
    ],
)
def test_all_other_operators_are_refused_with_a_code(
    operation: Callable[[Tensor], object],
) -> None:
    with pytest.raises(MbcError) as caught:
        operation(build().input(4))
    (found,) = caught.value.diagnostics
    assert found.code == "E0218"
    assert found.location
    assert Path(found.location.file).name == "test_dsl_arithmetic.py"
