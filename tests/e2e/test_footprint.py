"""Executables are small, and take little memory beyond weights and arena. How soon they answer is a
matter of `make footprint`."""

import platform
from pathlib import Path

import pytest

from tests.speed.footprint import Program

MOST_CODE = 260_000
MOST_MORE = 4_000_000

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="x86-64 programs are started"
)


@pytest.fixture(scope="module", params=["mobilenet_v1", "shufflenet_v1"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program.of(str(request.param), tmp_path_factory.mktemp("footprint"))


def test_code(program: Program) -> None:
    assert program.code_bytes <= MOST_CODE


def test_memory(program: Program) -> None:
    resident = program.resident_bytes()
    assert resident <= program.data_bytes + MOST_MORE
    assert resident > program.arena_bytes / 2, "as little was not measured"


def test_a_program_that_fails_is_noticed(program: Program, tmp_path: Path) -> None:
    missing = Program(program.path, tmp_path / "no.npy", 0, 0)
    with pytest.raises(RuntimeError, match="has ended"):
        missing.resident_bytes()
