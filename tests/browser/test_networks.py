"""The report of every network opens: nothing goes wrong, nothing is asked for, and it is small.

Everyday runs have them in a low resolution, four after few passes and the rest as imported; `make
fuzz` has them as they are.
"""

from pathlib import Path

import pytest

from tests.browser.opened import VIEWS, Opened, data_of, save
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, EXAMPLES, LEADING, PAGES, Example, Page

MOST_BYTES = 3_000_000

ALL = (*EXAMPLE_NETWORKS, *PAGES)


def settings(network: Example, *, small: bool) -> dict[str, str]:
    if isinstance(network, Page):
        return network.settings(small=small)
    return dict(network.parameters) | ({"resolution": "64"} if small else {})


def is_everyday(network: Example) -> bool:
    return network.everyday if isinstance(network, Page) else network in LEADING


@pytest.mark.parametrize("network", part_of(zip(ALL), is_everyday, str))
def test_every_network(network: Example, tmp_path: Path, opened: Opened, fuzz: bool) -> None:
    stage = None if fuzz or network in LEADING else "import"
    params = settings(network, small=not fuzz)
    data = data_of(
        EXAMPLES / f"{network.name}.py",
        params=params,
        target="rpi4",
        level=1 + fuzz,
        stop_after=stage,
    )
    file = save(data, tmp_path)
    assert file.stat().st_size <= MOST_BYTES
    opened.open(file)
    for view in VIEWS:
        opened.show(view)
    assert opened.page.locator(".layers tbody tr").count() == len(data["graphs"][-1]["nodes"])
    assert opened.text("h1").startswith(data["network"]["name"])
