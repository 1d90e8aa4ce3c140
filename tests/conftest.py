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
        help="thousands of random networks where there are hundreds (`make fuzz`)",
    )


@pytest.fixture(scope="session")
def fuzz(pytestconfig: pytest.Config) -> bool:
    """Whether to try much more than in everyday runs."""
    return bool(pytestconfig.getoption("--fuzz"))
