"""A fused body that a backend cannot run as one kernel is refused when it is lowered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mbc.backends.llvm.lower import lower
from mbc.backends.tvm.gpu.planner import plan_launches
from mbc.diag import MbcError
from mbc.driver.platforms import resolve
from mbc.ir.graph import Graph
from mbc.ir.text.parser import parse
from mbc.targets.gpu import GPU_TARGETS

BODY = """
graph @g(%x: f32[1,14,14,64]) {
  %m = fused mean(%x = %x) {
    %r = relu(%x) : f32[1,14,14,64]
    %y = global_avg_pool(%r) : f32[1,64]
    return %y
  } : f32[1,64]
  return %m
}
"""


@pytest.mark.parametrize(
    "use",
    [
        lambda graph: lower(graph, resolve("armv7")),
        lambda graph: plan_launches(graph, GPU_TARGETS[0].named(None)),
    ],
    ids=["llvm", "gpu"],
)
def test_a_body_without_a_kernel_is_refused(use: Callable[[Graph], object]) -> None:
    with pytest.raises(MbcError, match=r"E0517: .* has no kernel for fused"):
        use(parse(BODY))
