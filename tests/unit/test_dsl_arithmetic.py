"""Arithmetic on tensors, numbers and weights, and the operators that tensors do not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.dsl import Tensor
from mbc.interp import run
from mbc.ops.cost import learned_params
from tests.unit.test_dsl import build, code, nn_names


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
