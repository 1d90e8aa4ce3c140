"""A tensor in a file is taken or refused alike by `mbc run` and by the program on the board."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mbc.diag import MbcError, render
from mbc.runtime.abi import IoSpec
from mbc.runtime.inputs import read_input
from mbc.runtime.preprocessing import Preprocessing
from tests.e2e.support import done, mbc

SHAPE = (1, 16, 16, 3)
TENSOR = np.random.default_rng(0).standard_normal(SHAPE, np.float32)


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    return stream.getvalue()


def npz(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x=array)
    return stream.getvalue()


def headed(text: str, data: bytes = TENSOR.tobytes()) -> bytes:
    header = text.encode("latin1")
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


GOOD = npy(TENSOR)
F4 = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 16, 16, 3), }\n"

TAKEN = {
    "format 1": GOOD,
    "format 2": npy(TENSOR, (2, 0)),
    "format 3": npy(TENSOR, (3, 0)),
    "NaN and infinity": npy(np.full(SHAPE, np.nan, np.float32)),
    "quotes of the other kind": headed(F4.replace("'", '"')),
    "a header without blanks": headed(F4.replace(" ", "")),
}

REFUSED = {
    "uint8": npy(np.full(SHAPE, 200, np.uint8)),
    "int8": npy(np.full(SHAPE, 100, np.int8)),
    "int32": npy(np.ones(SHAPE, np.int32)),
    "int64": npy(np.ones(SHAPE, np.int64)),
    "bool": npy(np.ones(SHAPE, np.bool_)),
    "float16": npy(TENSOR.astype(np.float16)),
    "float64": npy(TENSOR.astype(np.float64)),
    "complex64": npy(TENSOR.astype(np.complex64)),
    "big-endian": npy(TENSOR.astype(">f4")),
    "the machine's own order": headed(F4.replace("<f4", "=f4")),
    "text": npy(np.full(SHAPE, "x")),
    "a record": npy(np.zeros(SHAPE, [("r", "<f4")])),
    "objects": headed(F4.replace("<f4", "|O")),
    "Fortran order": npy(np.asfortranarray(TENSOR)),
    "no axes": npy(np.ones((), np.float32)),
    "one axis": npy(TENSOR.reshape(-1)),
    "an axis less": npy(TENSOR[0]),
    "an axis more": npy(TENSOR[None]),
    "channels first": npy(np.ascontiguousarray(TENSOR.transpose(0, 3, 1, 2))),
    "a batch of two": npy(np.concatenate([TENSOR, TENSOR])),
    "nothing in it": npy(TENSOR[:0]),
    "more axes than there are": headed(F4.replace("(1, ", "(" + "1, " * 9)),
    "a huge axis": headed(F4.replace("(1, ", "(99999999999999999999, ")),
    "a negative axis": headed(F4.replace("(1, ", "(-1, ")),
    "a shape that is a list": headed(F4.replace("(", "[").replace(")", "]")),
    "no descr": headed(F4.replace("descr", "dtype")),
    "no order": headed(F4.replace("fortran_order", "order")),
    "no dictionary": headed("float32"),
    "a header that ends in it": headed(F4.replace("descr", "de\0scr")),
    "a header cut off": GOOD[:40],
    "a prefix cut off": GOOD[:9],
    "an unknown format": GOOD.replace(b"NUMPY\x01", b"NUMPY\x04"),
    "a long header": b"\x93NUMPY\x02\x00\x00\x00\x01\x00" + bytes(65536),
    "data cut off": GOOD[:-1],
    "more data": GOOD + b"\0",
}

ELSE = {"nothing": b"", "a letter": b"x", "text": b"hello, world", "npz": npz(TENSOR)}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executable of a network that returns what it is given, for numbers from 0 on."""
    folder = tmp_path_factory.mktemp("tensors")
    (folder / "same.py").write_text(
        "from mbc.frontends.dsl import Net, Tensor, network\n\n"
        "@network\ndef same(nn: Net) -> Tensor:\n    return nn.relu(nn.input(16, 16, 3))\n"
    )
    machine = {"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    words = ("--target", machine, "--emit", "exe", "-o", folder / "out")
    done("compile", folder / "same.py", *words)
    return folder / "out" / "same"


def on_board(program: Path, file: str) -> str:
    """What the program says; "" if it takes the file."""
    words: list[str | Path] = [program, "--input", file, "--output", "board.npy"]
    ended = subprocess.run(words, capture_output=True, text=True)
    assert (ended.returncode == 0) == (ended.stderr == "")
    assert ended.returncode in (0, 1)
    return str(ended.stderr).rstrip("\n")


def here(file: str) -> str:
    try:
        read_input(Path(file), IoSpec("input", SHAPE), Preprocessing())
    except MbcError as problem:
        return "\n".join(map(render, problem.diagnostics))
    return ""


@pytest.mark.parametrize("content", TAKEN.values(), ids=TAKEN)
def test_taken(
    program: Path, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x.npy", "x.tensor"):
        Path(name).write_bytes(content)
        assert on_board(program, name) == here(name) == ""


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_refused(
    program: Path, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.npy").write_bytes(content)
    refusal = on_board(program, "x.npy")
    assert refusal.startswith(("error[E0704]: x.npy: ", "error[E0710]: x.npy: "))
    assert here("x.npy") == refusal


@pytest.mark.parametrize("content", ELSE.values(), ids=ELSE)
def test_what_is_no_tensor(
    program: Path, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a photo may be of any kind, on the board a .ppm only, so the words differ."""
    monkeypatch.chdir(tmp_path)
    for name, code in (("x.npy", "E0704"), ("x.npz", "E0705")):
        Path(name).write_bytes(content)
        assert on_board(program, name).startswith(f"error[{code}]: {name}: ")
        assert here(name).startswith(f"error[{code}]: {name}")


def test_the_command_says_it_too(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("u.npy").write_bytes(REFUSED["uint8"])
    Path("x.npy").write_bytes(GOOD)
    network = program.parents[1] / "same.py"
    outcome = mbc("run", network, "--input", "u.npy")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.endswith(
        "error[E0710]: u.npy: dtype '|u1', the network needs '<f4' (little-endian float32): "
        "numpy.save(path, x.astype('<f4')) converts\n"
    )
    done("run", network, "--input", "x.npy", "--output", "here.npy")
    assert on_board(program, "x.npy") == ""
    np.testing.assert_array_equal(np.load("here.npy"), np.load("board.npy"))
