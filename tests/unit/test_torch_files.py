"""State dicts of PyTorch: every tensor bit for bit, in both formats."""

import pickletools
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.weights.bfloat16 import widened
from mbc.frontends.weights.pickles import HANDLERS
from mbc.frontends.weights.stored import TORCH, stored_tensors
from tests.torch_files import FORMATS, Parameter, Storage, Tensor, legacy_bytes, write, zip_bytes

Arrays = dict[str, np.ndarray]
BOTH = pytest.mark.parametrize("form", FORMATS)


def random(shape: tuple[int, ...], dtype: str = "f4") -> np.ndarray:
    """Any bits: NaN with payloads and subnormal numbers among them."""
    bits = np.random.default_rng(0).bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize)
    return np.frombuffer(bits, dtype).reshape(shape)


def read(path: Path, key: str | None = None) -> Arrays:
    return {name: each.read() for name, each in stored_tensors(path, key).tensors.items()}


def check(value: object, wanted: Arrays, path: Path, form: str, **options: object) -> list[str]:
    """Write and read; returns the remarks."""
    write(path, FORMATS[form](value, **options))
    found = stored_tensors(path)
    assert list(found.tensors) == list(wanted)
    for name, each in found.tensors.items():
        array = each.read()
        assert (array.shape, each.shape) == (wanted[name].shape,) * 2
        assert (array.dtype, array.tobytes()) == (wanted[name].dtype, wanted[name].tobytes()), name
    return list(found.remarks)


TYPES = {"f4": "f32", "f8": "f64", "f2": "f16", "i8": "i64", "i4": "i32", "i2": "i16", "i1": "i8"}


@BOTH
@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_every_type(form: str, protocol: int, tmp_path: Path) -> None:
    wanted: Arrays = {name: random((3, 5), name) for name in (*TYPES, "u1")}
    wanted["flags"] = np.array([True, False, True])
    state = OrderedDict((name, Tensor.of(array)) for name, array in wanted.items())
    check(state, wanted, tmp_path / "net.pth", form, protocol=protocol)
    found = stored_tensors(tmp_path / "net.pth").tensors
    assert {name: found[name].dtype for name in TYPES} == TYPES
    assert (found["u1"].dtype, found["flags"].dtype) == ("u8", "bool")


@BOTH
def test_bfloat16_is_widened_exactly(form: str, tmp_path: Path) -> None:
    every = np.arange(1 << 16, dtype=np.uint16)
    wanted = (every.astype(np.uint32) * 65536).view(np.float32)
    assert widened(every).tobytes() == wanted.tobytes()
    check({"a": Tensor.of(every)}, {"a": wanted}, tmp_path / "net.pt", form)
    assert stored_tensors(tmp_path / "net.pt").tensors["a"].dtype == "bf16"


@BOTH
def test_views_of_one_storage(form: str, tmp_path: Path) -> None:
    base = random((240,))
    cube = base.reshape(4, 5, 12)
    views = {
        "whole": cube,
        "transposed": cube.transpose(2, 0, 1),
        "slice": cube[1:3, ::2, 3:9:3],
        "last": base[239:],
        "scalar": base[17:18].reshape(()),
        "tied": cube[2],
        "again": cube[2],
        "empty": base[240:],
        "none": cube[:, 0:0],
    }
    storage = Storage(base)
    state = {name: Tensor.of(view, storage) for name, view in views.items()}
    check(
        state,
        {n: np.ascontiguousarray(v).reshape(v.shape) for n, v in views.items()},
        tmp_path / "net.pth",
        form,
    )


@BOTH
def test_parameters_tied_weights_and_metadata(form: str, tmp_path: Path) -> None:
    array, other = random((2, 3)), random((7,), "f2")
    shared = Tensor.of(array)
    state = OrderedDict({"a": Parameter(shared), "b": shared, "c": Parameter(Tensor.of(other))})
    state._metadata = OrderedDict({"": {"version": 1}, "a": {"version": 2}})  # type: ignore[attr-defined]
    check(state, {"a": array, "b": array, "c": other}, tmp_path / "net.pth", form)


def test_bytes_may_be_the_other_way_round(tmp_path: Path) -> None:
    wanted = {name: random((9,), name) for name in ("f4", "f2", "i8")}
    state = {name: Tensor.of(array) for name, array in wanted.items()}
    check(state, wanted, tmp_path / "net.pth", "zip", order="big")
    check(state, wanted, tmp_path / "net.pth", "legacy", order="big")


@BOTH
@pytest.mark.parametrize(
    "path",
    [
        *("state_dict", "model", "ema", "state_dict.model", "model_state_dict.model"),
        *(f"{word}.state_dict" for word in ("model", "net", "network", "params", "weights")),
    ],
)
def test_nested_state_dicts(form: str, path: str, tmp_path: Path) -> None:
    array = random((2, 2))
    value: object = OrderedDict({"a": Tensor.of(array)})
    for key in reversed(path.split(".")):
        moments = {0: {"step": 5, "exp_avg": Tensor.of(array)}}
        value = {"epoch": 3, "best": 0.5, "optimizer": {"state": moments}, key: value, 7: None}
    remarks = check(value, {"a": array}, tmp_path / "net.ckpt", form)
    assert remarks == [f"took the tensors under '{path}'"]


@BOTH
def test_prefixes_and_counters(form: str, tmp_path: Path) -> None:
    array = random((2, 2))
    names = ("a.weight", "a.num_batches_tracked", "b.num_batches_tracked")
    state = {f"module._orig_mod.{name}": Tensor.of(array) for name in names} | {"epoch": 3}
    assert check(state, {"a.weight": array}, tmp_path / "net.pth", form) == [
        "ignored what is no tensor: epoch",
        "stripped 'module.' from 3 names",
        "stripped '_orig_mod.' from 3 names",
        "ignored 2 'num_batches_tracked', which are no weights",
    ]


def test_one_name_without_the_prefix_keeps_it(tmp_path: Path) -> None:
    state = {name: Tensor.of(random((2,))) for name in ("module.a", "b")}
    assert list(read(write(tmp_path / "net.pth", zip_bytes(state)))) == ["module.a", "b"]


def refused(path: Path, key: str | None = None) -> str:
    with pytest.raises(MbcError) as problem:
        stored_tensors(path, key)
    (found,) = problem.value.diagnostics
    return f"{found.code} {found.message} | {found.label} | {' '.join(found.helps)}"


def test_of_several_state_dicts_one_is_chosen(tmp_path: Path) -> None:
    one, two = random((2,)), random((3,))
    value = {"state_dict": {"a": Tensor.of(one)}, "ema": {"a": Tensor.of(two)}, "epoch": 1}
    path = write(tmp_path / "net.pth", legacy_bytes(value))
    text = refused(path)
    assert text.startswith("E0411")
    assert "several state dicts | it has state_dict, ema | mbc weights map takes --key" in text
    assert read(path, "ema")["a"].tobytes() == two.tobytes()
    assert "it has no 'emma' | it has state_dict, ema, epoch" in refused(path, "emma")


def test_only_files_of_pytorch_have_keys(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", a=random((2,)))
    assert refused(tmp_path / "net.npz", "a").startswith("E0411 --key does not apply to ")


@pytest.mark.parametrize("value", [3, [1, 2], {}, {"epoch": 3}, {"model": {"model": {}}}, "text"])
def test_what_has_no_state_dict(value: object, tmp_path: Path) -> None:
    assert refused(write(tmp_path / "net.pth", zip_bytes(value))).startswith("E0411")


def test_every_opcode_is_known_but_for_a_few() -> None:
    """What PyTorch never writes: the registry of extensions, buffers beside the pickle, names of
    persistent objects as text."""
    names = {opcode.name for opcode in pickletools.opcodes}
    never = {"EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER", "BYTEARRAY8", "PERSID"}
    assert names - HANDLERS.keys() == never | {"DUP"}
    assert HANDLERS.keys() <= names


def test_the_names_of_such_files_are_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "weights.md").read_text("utf-8")
    (row,) = re.findall(r"^\| PyTorch \|([^|]*)\|", page, re.MULTILINE)
    assert set(re.findall(r"`(\.\w+)`", row)) == set(TORCH)


def test_a_circle_ends(tmp_path: Path) -> None:
    circle: dict[str, object] = {}
    circle["model"] = circle
    assert refused(write(tmp_path / "net.pth", zip_bytes(circle))).startswith("E0411")


def test_storages_are_read_once_in_a_row(tmp_path: Path) -> None:
    """A flat storage of many tensors costs one reading, and one storage at a time is kept."""
    base = random((100,))
    storage = Storage(base)
    state = {str(i): Tensor.of(base[i : i + 1], storage) for i in range(100)}
    path = write(tmp_path / "net.pth", zip_bytes({**state, "other": Tensor.of(random((5,)))}))
    tensors = stored_tensors(path).tensors
    first = tensors["0"].read()
    path.unlink()
    assert tensors["99"].read().tobytes() == base[99:].tobytes()
    first[...] = 1  # a copy of its own
    assert tensors["0"].read().tobytes() == base[:1].tobytes()
    with pytest.raises(FileNotFoundError):
        tensors["other"].read()
