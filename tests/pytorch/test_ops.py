"""Modules compute in mbc what they compute in PyTorch, op by op."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import mbc
from mbc.interp import run
from tests.pytorch.functions import FUNCTIONS, IMAGE, LAYERS, Each, drawn


def compared(module: nn.Module) -> None:
    """Compare the oracle's answers with PyTorch's."""
    module, x = module.eval(), drawn(*IMAGE)
    with torch.no_grad():
        expected = module(x.clone())
    graph = mbc.from_torch(module, (x,)).graph
    made = run(graph, {"x": x.numpy().transpose(0, 2, 3, 1)})
    assert list(made) == list(expected)
    for name, want in expected.items():
        got = made[name]
        if got.ndim == 4 and got.shape != want.shape:
            got = got.transpose(0, 3, 1, 2)
        got, message = got.reshape(want.shape), f"of {name}"
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-4, atol=1e-5, err_msg=message)


@pytest.mark.parametrize("group", FUNCTIONS)
def test_functions_compute_the_same(group: str) -> None:
    compared(Each(FUNCTIONS[group]))


def test_layers_compute_the_same() -> None:
    torch.manual_seed(1)
    compared(Each({name: make() for name, make in LAYERS.items()}))
