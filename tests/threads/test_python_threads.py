"""One compiled network, called from several Python threads: each gets its own answer."""

from __future__ import annotations

import numpy as np
import pytest

from mbc.driver.instrumentation import Inspection
from mbc.driver.net import CompiledNet, make_net
from mbc.driver.pipeline import compile_graph
from mbc.driver.request import BackendName, Request, Silent
from mbc.runtime.pool import Team
from tests.example_networks import EXAMPLES
from tests.hammer import CALLERS, hammer

FILE, SIDE = EXAMPLES / "mobilenet_v1.py", 32
PARAMS = {"alpha": "0.25", "resolution": str(SIDE)}


def network(backend: BackendName, threads: int) -> CompiledNet:
    request = Request(FILE, PARAMS, backend=backend)
    compiled = compile_graph(request, Inspection(), Silent(), lambda _: None)
    return make_net(compiled, Silent(), Team(threads))


@pytest.mark.parametrize(
    ("backend", "threads", "calls"),
    [("llvm", 1, 300), ("llvm", 2, 200), ("tvm", 1, 100), ("tvm", 2, 50), ("oracle", 1, 3)],
)
def test_each_caller_gets_its_answer(backend: BackendName, threads: int, calls: int) -> None:
    if backend == "tvm":
        pytest.importorskip("tvm", reason="the extra tvm is not installed")
    net = network(backend, threads)
    rng = np.random.default_rng(0)
    questions = [rng.standard_normal((1, SIDE, SIDE, 3), np.float32) for _ in range(CALLERS)]

    def answer(x: np.ndarray) -> np.ndarray:
        (y,) = net.run({"input": x}).values()
        return y

    assert hammer(answer, questions, calls) == 0
