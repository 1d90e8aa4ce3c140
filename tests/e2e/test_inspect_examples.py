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

FILES = sorted(path for path in EXAMPLES.rglob("*.py") if "@network\n" in path.read_text("utf-8"))

EVERYDAY = ("mobilenet_v1", "shufflenet_v1")
PATHS = part_of(
    [(path,) for path in FILES], lambda path: path.stem in EVERYDAY, lambda path: path.stem
)


def inspected(path: Path) -> Inspected:
    """A network of an example, small where its resolution is a parameter; several in a file are
    told apart by name, of which the first is taken."""
    text = path.read_text("utf-8")
    params = {"resolution": 64} if "resolution: int" in text else {}
    names = [line.partition("def ")[2].partition("(")[0] for line in _after_mark(text)]
    request = Request(path, params=params, target="rpi4", network=names[0])
    return inspect(resolve_request(request), Silent())


def _after_mark(text: str) -> list[str]:
    lines = text.splitlines()
    return [after for mark, after in pairwise(lines) if mark == "@network"]


@pytest.mark.parametrize("path", PATHS)
def test_origins_lead_to_the_network_as_written(path: Path) -> None:
    found = inspected(path)
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
