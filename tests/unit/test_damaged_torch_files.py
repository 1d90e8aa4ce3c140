"""Files of PyTorch that are cut off, damaged or something else."""

import pickle
from pathlib import Path
from random import Random

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.weights.stored import stored_tensors
from tests.torch_files import (
    FORMATS,
    Parameter,
    Tensor,
    legacy_bytes,
    read_all,
    tensor,
    text_of,
    write,
    zip_bytes,
)

BOTH = pytest.mark.parametrize("form", FORMATS)


def sample() -> dict[str, object]:
    return {"module.a.weight": Parameter(tensor()), "module.b": Tensor.of(np.ones((3, 2), "f2"))}


@BOTH
def test_a_cut_file_is_damaged(form: str, tmp_path: Path) -> None:
    whole = FORMATS[form](sample())
    for keep in range(0, len(whole), 7):
        found = text_of(write(tmp_path / "w.pth", whole[:keep]))
        assert found.startswith("error[E0403]: w.pth is damaged, cut off, or not a .pth file\n")


def test_a_cut_storage_is_noticed_before_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "w.pth", legacy_bytes({"a": tensor()})[:-1])
    with pytest.raises(MbcError) as problem:
        stored_tensors(path)
    assert "ends behind the file" in problem.value.diagnostics[0].label


def test_a_file_that_is_cut_after_it_was_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "w.pth", legacy_bytes({"a": tensor()}))
    tensors = stored_tensors(path).tensors
    write(path, path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is cut off"):
        tensors["a"].read()


@BOTH
def test_flipped_bits_never_give_a_traceback(form: str, tmp_path: Path) -> None:
    whole, random = FORMATS[form](sample()), Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        path = write(tmp_path / "w.pth", bytes(damaged))
        try:
            read_all(path)
        except MbcError:
            refused += 1
    assert refused > 100


def test_data_is_checked_by_its_sum(tmp_path: Path) -> None:
    whole = bytearray(zip_bytes({"a": tensor()}))
    whole[whole.index(np.arange(4, dtype="f4").tobytes()) + 5] ^= 1
    assert "Bad CRC-32" in text_of(write(tmp_path / "w.pth", bytes(whole)))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (pickle.dumps({"a": 1}, 2), "it is a pickle, but not one of torch.save"),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(7, 2), "its format is not 1001"),
        (b"", "pickle exhausted before seeing STOP"),
        (b"\x89HDF\r\n\x1a\n", "at position 1, opcode b'H' unknown"),
    ],
)
def test_what_is_no_file_of_pytorch(data: bytes, wanted: str, tmp_path: Path) -> None:
    found = text_of(write(tmp_path / "w.pth", data))
    assert found.startswith("error[E0403]")
    assert wanted in found


def test_legacy_storages_are_those_of_the_tensors(tmp_path: Path) -> None:
    whole = legacy_bytes({"a": tensor()})
    keys = whole.rindex(b"]")
    data = whole[:keys] + b"]." + whole[whole.index(b".", keys) + 1 :]
    assert "its list of storages is not that of" in text_of(write(tmp_path / "w.pth", data))
