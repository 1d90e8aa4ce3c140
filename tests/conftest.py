"""`--update-golden`, `--update-counts` and `--fuzz` for all tests."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("untimed", settings.default, **_UNTIMED)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the expectations of golden files; read the diff before you commit it",
    )
    parser.addoption(
        "--update-counts",
        action="store_true",
        help="rewrite the instruction counts of layers; read the diff before you commit it",
    )
    parser.addoption(
        "--fuzz",
        action="store_true",
        help="only what everyday runs leave: the rest of long tables, and thousands of random "
        "networks and broken files where there are hundreds (`make fuzz`)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the rest of a long table to `--fuzz`, and all else to everyday runs."""
    wanted: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        thorough = item.get_closest_marker("thorough") is not None
        more = thorough or "fuzz" in getattr(item, "fixturenames", ())
        (wanted if (more if config.getoption("--fuzz") else not thorough) else left).append(item)
    items[:] = wanted
    config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def fuzz(pytestconfig: pytest.Config) -> bool:
    """Whether to try much more than in everyday runs."""
    return bool(pytestconfig.getoption("--fuzz"))
