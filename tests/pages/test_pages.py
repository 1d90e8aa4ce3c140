"""Every page, small: right here, on boards, under TVM and on OpenCL; nothing in it only moves data.

Everyday runs have each page here, and those of MLPerf Tiny on one other kind of machine each;
`make fuzz` has all on all. `make pages` does the same at full size.
"""

from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ops.cost import bytes_moved_by_data_movement
from mbc.passes.pipelines import O2
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.runtime.abi import interface_of
from mbc.runtime.reference import seeded_inputs
from tests.backends.kernel_check import host_target
from tests.e2e.support import relative_error
from tests.everyday import part_of
from tests.example_networks import PAGES, Page
from tests.pages.ways import TOLERANCE, WAYS, worst_error

EXTRAS = {"tvm": "tvm", "opencl": "pyopencl"}
EVERYDAY = {("tiny/ds_cnn", "arm64"), ("tiny/resnet8", "armv7"), ("tiny/autoencoder", "riscv64")}


@pytest.mark.parametrize("page", part_of(zip(PAGES), lambda page: page.everyday, str))
def test_compiled_for_this_machine(page: Page) -> None:
    graph = load_network(page.file).trace(page.settings(small=True))
    initialise(graph, 0)
    inputs = seeded_inputs(interface_of(graph)[0], 0)
    wanted = run(graph, inputs)
    target = host_target()
    run_pipeline(graph, O2, PassContext(LlvmBackend(target)), [Verify()])
    assert bytes_moved_by_data_movement(graph) == 0
    found = JitNet(lower(graph, target))(inputs)
    errors = {name: relative_error(found[name], wanted[name]) for name in wanted}
    assert max(errors.values()) <= TOLERANCE, errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "way"),
    part_of(
        product(PAGES, WAYS),
        lambda page, way: (page.name, way) in EVERYDAY,
        lambda page, way: f"{page}-{way}",
    ),
)
def test_compiled_for_others(page: Page, way: str, tmp_path: Path) -> None:
    if way in EXTRAS and find_spec(EXTRAS[way]) is None:
        pytest.skip(f"the extra {way} is not installed")
    assert worst_error(page, way, tmp_path / "out", small=True) <= TOLERANCE
