"""Files of PyTorch that ask for code, lie about sizes or are damaged: named, and never run."""

import codecs
import functools
import io
import os
import pickle
import resource
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mbc.frontends.weights.limits import MAX_STEPS, LimitError
from mbc.frontends.weights.torch_zip import check_members
from tests.torch_files import (
    FORMATS,
    MAGIC,
    VERSION,
    Global,
    Parameter,
    members,
    pickled,
    tensor,
    text_of,
    write,
)

BOTH = pytest.mark.parametrize("form", FORMATS)


class Reduced:
    """What a pickle calls when it is loaded."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


def dumped(function: Callable[..., object], *arguments: object, protocol: int = 2) -> bytes:
    return pickle.dumps({"a": Reduced(function, *arguments)}, protocol)


RUN = "raise SystemExit('it was run')"
GETATTR = Reduced(getattr, Reduced(__import__, "os"), "system")
CALLS = b"\x80\x02ctorch\nFloatStorage\n(J\xff\xff\xff\x7ftR."

MALICIOUS = {
    "os.system": (b"cos\nsystem\n(S'exit 3'\ntR.", "os.system"),
    "posix.system": (dumped(os.system, "exit 3"), "posix.system"),
    "subprocess": (b"csubprocess\nPopen\n(S'exit 3'\ntR.", "subprocess.Popen"),
    "eval": (dumped(eval, RUN), "__builtin__.eval"),
    "eval, by protocol 4": (dumped(eval, RUN, protocol=4), "builtins.eval"),
    "exec": (dumped(exec, RUN, protocol=5), "builtins.exec"),
    "getattr": (dumped(Reduced, GETATTR), "__builtin__.getattr"),
    "import": (pickle.dumps(Reduced(__import__, "os"), 3), "builtins.__import__"),
    "partial": (dumped(functools.partial, eval, RUN), "functools.partial"),
    "codecs": (dumped(codecs.encode, "abc", "rot13"), "_codecs.encode"),
    "inst": (b"(S'exit 3'\nios\nsystem\n.", "os.system"),
    "obj": (b"(cos\nsystem\nS'exit 3'\no.", "os.system"),
    "newobj": (b"\x80\x02cbuiltins\nobject\n)\x81.", "builtins.object"),
    "newobj_ex": (b"\x80\x04cbuiltins\nobject\n)}\x92.", "builtins.object"),
    "build": (b"\x80\x02cbuiltins\ntype\n}X\x03\x00\x00\x00numK\x01sb.", "builtins.type"),
    "only named": (b"\x80\x02cos\nsystem\n.", "os.system"),
    "in what is damaged": (b"cos\nsystem\n(S'exit 3'\ntRRRR", "os.system"),
    "an attribute of a known name": (
        b"\x80\x04\x8c\x0bcollections\x8c\x19OrderedDict.__reduce_ex__\x93)R.",
        "collections.OrderedDict.__reduce_ex__",
    ),
    "a known module": (b"\x80\x02ctorch.hub\nload\n)R.", "torch.hub.load"),
    "a storage that is made": (CALLS, "torch.FloatStorage()"),
    "a storage, instantiated": (
        b"\x80\x02ctorch\nFloatStorage\n)\x81.",
        "torch.FloatStorage()",
    ),
    "a scalar of numpy": (dumped(np.dtype, "f4"), "numpy.dtype"),
    "an extension": (b"\x80\x02\x82\x01.", "opcode EXT1"),
    "a buffer": (b"\x80\x05\x96\xff\xff\xff\xff\x00\x00\x00\x00.", "truncated"),
    "several": (
        b"(cos\nsystem\ncbuiltins\neval\ncos\nsystem\nl.",
        "w.pth asks for code: os.system, builtins.eval\n",
    ),
}


@pytest.mark.parametrize("form", ["plain", "zip", "legacy"])
@pytest.mark.parametrize("name", MALICIOUS)
def test_a_malicious_pickle_is_refused_by_name(name: str, form: str, tmp_path: Path) -> None:
    text, wanted = MALICIOUS[name]
    head = b"".join(pickle.dumps(each, 2) for each in (MAGIC, VERSION, {"little_endian": True}))
    data = {"plain": text, "zip": members({"data.pkl": text}), "legacy": head + text}[form]
    found = text_of(write(tmp_path / "w.pth", data))
    code = "E0403" if wanted == "truncated" else "E0402"
    assert found.startswith(f"error[{code}]: w.pth")
    if code == "E0402":
        assert wanted in found
        assert "torch.save(model.state_dict(), 'net.pth')" in found


def test_there_are_enough_of_them() -> None:
    assert sum(wanted != "truncated" for _, wanted in MALICIOUS.values()) >= 20


@BOTH
def test_a_whole_module_is_named_beside_its_tensors(form: str, tmp_path: Path) -> None:
    class Module:
        def __reduce__(self) -> tuple[object, ...]:
            return Global("torchvision.models.mobilenetv2", "MobileNetV2"), (), {"a": tensor()}

    path = write(tmp_path / "w.pth", FORMATS[form]({"model": Module()}))
    assert "asks for code: torchvision.models.mobilenetv2.MobileNetV2\n" in text_of(path)


@pytest.mark.parametrize("sign", ["code/net.py", "constants.pkl"])
def test_torchscript_is_named(sign: str, tmp_path: Path) -> None:
    parts = {"data.pkl": b"N.", sign: b"N."}
    path = write(tmp_path / "w.pt", members(parts))
    assert "asks for code: a TorchScript program" in text_of(path)


def test_long_lists_and_names_are_cut(tmp_path: Path) -> None:
    names = b"".join(b"cm%d\n%s\n0" % (i, b"x" * 500) for i in range(20))
    found = text_of(write(tmp_path / "w.pth", names + b"N."))
    assert "m7.x" in found
    assert "m8.x" not in found
    assert "… and 12 more" in found
    assert len(found) < 1200


# ---- lies about sizes ------------------------------------------------------------------------


BAD_TENSORS = {
    "ends behind": (tensor(offset=1), "ends behind its storage"),
    "strides lead out": (tensor(strides=(3, 1)), "ends behind its storage"),
    "stride 0": (
        tensor(shape=(1 << 20, 1 << 19), strides=(0, 0)),
        "more elements than its storage",
    ),
    "overlaps": (tensor(shape=(3, 2), strides=(1, 1)), "more elements than its storage"),
    "negative stride": (tensor(strides=(-2, 1), offset=2), "without a sensible shape"),
    "negative offset": (tensor(offset=-1), "without a sensible shape"),
    "negative extent": (tensor(shape=(-2, -2)), "without a sensible shape"),
    "huge extent": (tensor(shape=(1 << 62, 1 << 62)), "without a sensible shape"),
    "astronomic": (tensor(shape=(10**4000, 1)), "without a sensible shape"),
    "fewer strides": (tensor(strides=(1,)), "without a sensible shape"),
    "many axes": (tensor(shape=(1,) * 100, strides=(1,) * 100), "without a sensible shape"),
    "a bool as extent": (tensor(shape=(True, 2)), "without a sensible shape"),
    "text as extent": (tensor(shape=("2", 2)), "without a sensible shape"),
    "no storage": (tensor(storage=None), "something else than a storage"),
    "a storage of negative size": (tensor(elements=-5), "names no storage"),
}


@BOTH
@pytest.mark.parametrize("name", BAD_TENSORS)
def test_a_tensor_lies_in_its_storage(name: str, form: str, tmp_path: Path) -> None:
    value, wanted = BAD_TENSORS[name]
    found = text_of(write(tmp_path / "w.pth", FORMATS[form]({"a": value})))
    assert found.startswith("error[E0403]: w.pth is damaged, cut off, or not a .pth file\n")
    assert wanted in found


@BOTH
@pytest.mark.parametrize("elements", [3, 5, 1 << 39])
def test_a_storage_has_the_size_that_the_pickle_says(
    form: str, elements: int, tmp_path: Path
) -> None:
    value = tensor(elements=elements, shape=(3,), strides=(1,))
    data = FORMATS[form]({"a": value, "b": tensor()})
    found = text_of(write(tmp_path / "w.pth", data))
    assert found.startswith("error[E0403]")
    assert "its storage" in found


@BOTH
def test_a_storage_has_one_type(form: str, tmp_path: Path) -> None:
    first, second = tensor(), tensor()
    second.storage.key, second.storage.kind = first.storage.key, "IntStorage"
    found = text_of(write(tmp_path / "w.pth", FORMATS[form]([first, second])))
    assert "a storage of two types or sizes" in found


@BOTH
def test_a_parameter_is_a_tensor(form: str, tmp_path: Path) -> None:
    found = text_of(write(tmp_path / "w.pth", FORMATS[form](Parameter({}))))  # type: ignore[arg-type]
    assert "something else than a tensor" in found


def test_a_storage_is_missing(tmp_path: Path) -> None:
    text, _ = pickled({"a": tensor()}, legacy=False)
    assert "it lacks the storage" in text_of(write(tmp_path / "w.pth", members({"data.pkl": text})))


# ---- bombs -----------------------------------------------------------------------------------

NESTED = b"(" * 200_000 + b"N" + b"t" * 200_000 + b"."
LAUGHS = b"]q\x000" + b"".join(b"](h%ch%ceq%c0" % (i, i, i + 1) for i in range(100)) + b"h\x64."
KEYS = b"\x80\x02N\x85q\x000" + b"".join(b"h%ch%c\x86q%c0" % (i, i, i + 1) for i in range(100))
BOMBS = {
    "deep nesting": (NESTED, "E0411"),
    "deep lists": (b"]" * 200_000 + b"a" * 199_999 + b".", "E0411"),
    "a billion laughs": (LAUGHS, "E0411"),
    "keys that take ages to hash": (KEYS + b"}h\x64K\x01s.", "E0411"),
    "a huge place in the memo": (b"Nr\xff\xff\xff\xff.", "E0411"),
    "a huge text": (b"\x8d" + struct.pack("<Q", 1 << 40) + b"a.", "E0403"),
    "huge bytes": (b"\x8e" + struct.pack("<Q", (1 << 63) + 1) + b"a.", "E0403"),
    "a huge number": (b"\x8b" + struct.pack("<i", (1 << 31) - 1) + b"a.", "E0403"),
    "many digits": (b"I" + b"9" * 5000 + b"\n.", "E0403"),
    "a huge frame": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.", "E0411"),
    "many opcodes": (b"N0" * (MAX_STEPS // 2 + 1) + b"N.", "E0412"),
    "many copies": (b"N" + b"2" * 1000 + b".", "E0402"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str, tmp_path: Path) -> None:
    text, code = BOMBS[name]
    path = write(tmp_path / "w.pth", members({"data.pkl": text}))
    assert text_of(path).startswith(f"error[{code}]: ")


def zipped(parts: dict[str, bytes], **changes: int) -> bytes:
    """A zip whose directory says something else of its last member."""
    stream = io.BytesIO(members(parts))
    with zipfile.ZipFile(stream, "a") as archive:
        for name, number in changes.items():
            setattr(archive.infolist()[-1], name, number)
        archive._didModify = True  # type: ignore[attr-defined]
    return stream.getvalue()


def listed_twice(name: str) -> bytes:
    stream = io.BytesIO(members({"data.pkl": b"N.", "x": b"1"}))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.infolist()[-1].filename = name
        archive._didModify = True  # type: ignore[attr-defined]
    return stream.getvalue()


BIG = bytes(3 << 20)
ZIPS = {
    "ratio": (
        members({"data.pkl": BIG}, how=zipfile.ZIP_DEFLATED),
        "E0412",
        "unpacks to 3,145,728",
    ),
    "total": (
        zipped({"data.pkl": b"N.", "x": b"1"}, file_size=5 << 30, compress_size=5 << 30),
        "E0403",
        "ends behind the file",
    ),
    "a pickle of 20 MB": (
        members({"data.pkl": bytes(20 << 20)}),
        "E0412",
        "a pickle of 20,971,520",
    ),
    "two sizes": (zipped({"data.pkl": b"N.", "x": b"1"}, file_size=9), "E0403", "has two sizes"),
    "dots": (members({"data.pkl": b"N.", "data/../../../x": b"1"}), "E0403", "lies outside of it"),
    "absolute": (members({"data.pkl": b"N."}, root="/archive/"), "E0403", "lies outside of it"),
    "backslash": (members({"data.pkl": b"N.", "..\\x": b"1"}), "E0403", "lies outside of it"),
    "twice": (listed_twice("archive/data.pkl"), "E0403", "two members of one name"),
    "no pickle": (members({"x": b""}), "E0403", "it has no data.pkl"),
    "two pickles": (
        members({"data.pkl": b"N.", "a/data.pkl": b"N."}),
        "E0403",
        "it has 2 data.pkl",
    ),
    "deep": (
        members({"data.pkl": b"N."}, root="a/b/"),
        "E0403",
        "it has 1 data.pkl, not one in one",
    ),
    "byte order": (members({"data.pkl": b"}.", "byteorder": b"odd"}), "E0403", "byte order"),
    "encrypted": (zipped({"a": b"", "data.pkl": b"N."}, flag_bits=1), "E0403", "encrypted"),
    "compression": (zipped({"a": b"", "data.pkl": b"N."}, compress_type=99), "E0403", ""),
}


@pytest.mark.parametrize("name", ZIPS)
def test_a_hostile_zip_is_refused(name: str, tmp_path: Path) -> None:
    data, code, wanted = ZIPS[name]
    found = text_of(write(tmp_path / "w.pth", data))
    assert found.startswith(f"error[{code}]: w.pth")
    assert wanted in found


def test_members_that_overlap_are_counted() -> None:
    """Each is as large as the file; together they are above the limit."""
    infos = [zipfile.ZipInfo(f"a/{number}") for number in range(5)]
    for info in infos:
        info.header_offset, info.file_size, info.compress_size = 0, 1 << 30, 1 << 30
    check_members(infos[:4], 1 << 30)
    with pytest.raises(LimitError, match="unpacks to 5,368,709,120 bytes"):
        check_members(infos, 1 << 30)


def test_a_huge_directory_is_not_read(tmp_path: Path) -> None:
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 9, 9, 1 << 28, 4, 0)
    path = tmp_path / "w.pth"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.seek((1 << 28) + 4)
        file.write(end)
    found = text_of(path)
    assert found.startswith("error[E0412]: w.pth is larger than weights are\n")
    assert "a zip directory of 268,435,456 bytes" in found


def test_pickles_without_end_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with path.open("wb") as file:
        file.write(b"\x8d" + struct.pack("<Q", 1 << 32))
        file.truncate(1 << 33)
    assert text_of(path).startswith("error[E0412]")


def test_a_bomb_takes_little_memory(tmp_path: Path) -> None:
    """None of them takes as much as the sizes that it names."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for text, _ in BOMBS.values():
        if len(text) < 10_000:
            text_of(write(tmp_path / "w.pth", text))
    scale = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * scale < 300 << 20
