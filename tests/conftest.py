"""`--update-golden`, `--update-counts` and `--fuzz` for all tests."""

import pytest


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
        help="thousands of random networks where there are hundreds, whole tables of networks and "
        "GPUs where there are parts (`make fuzz`)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the rest of a long table to `--fuzz`."""
    if not config.getoption("--fuzz"):
        left = [item for item in items if item.get_closest_marker("thorough")]
        items[:] = [item for item in items if item not in set(left)]
        config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def fuzz(pytestconfig: pytest.Config) -> bool:
    """Whether to try much more than in everyday runs."""
    return bool(pytestconfig.getoption("--fuzz"))
