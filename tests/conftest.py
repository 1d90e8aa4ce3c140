"""`--update-golden` and `--update-counts` for all tests."""

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
