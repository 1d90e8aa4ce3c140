"""Every node of the last stage says which values of the network as written it accounts for, in all
examples, and its kernel, cost and place are known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from mbc.driver.configuration import resolve_request
from mbc.driver.inspect import inspect
from mbc.driver.request import Request, Silent
from mbc.inspect.find import accounting
from mbc.inspect.model import Inspected
from mbc.inspect.story import ending_of
from tests.e2e.support import EXAMPLES
from tests.everyday import part_of


def networks(path: Path) -> list[str]:
    """The names of the networks in a file."""
    lines = path.read_text("utf-8").splitlines()
    heads = [after for mark, after in pairwise(lines) if mark == "@network"]
    return [head.removeprefix("def ").partition("(")[0] for head in heads]


EVERYDAY = ("mobilenet_v1", "shufflenet_v1")
NETWORKS = part_of(
    [(path, name) for path in sorted(EXAMPLES.rglob("*.py")) for name in networks(path)],
    lambda path, name: path.parent == EXAMPLES and name in EVERYDAY,
    lambda path, name: f"{path.relative_to(EXAMPLES)}-{name}",
)


def inspected(path: Path, name: str) -> Inspected:
    """A network, small where its resolution is a parameter."""
    params = {"resolution": 64} if "resolution: int" in path.read_text("utf-8") else {}
    request = Request(path, params=params, target="rpi4", network=name)
    return inspect(resolve_request(request), Silent())


@pytest.mark.parametrize(("path", "name"), NETWORKS)
def test_origins_lead_to_the_network_as_written(path: Path, name: str) -> None:
    found = inspected(path, name)
    written = {value.name for node in found.graphs[0].nodes for value in node.results}
    assert found.lowered is not None
    kernels = {kernel.node for kernel in found.lowered.kernels}
    for node in found.last.nodes:
        assert node.origins or node.results[0].is_added, node.name
        assert written.issuperset(node.origins), node.name
        ending = ending_of(found, node)
        assert node.name in kernels
        assert ending.kernel is not None
        assert ending.point.ms is not None
    lost = [name for name in written if not accounting(found.last, name)]
    assert lost == []
