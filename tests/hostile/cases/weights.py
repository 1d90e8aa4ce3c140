"""Weights that do not fit the network, or are no weights."""

import io
import json
import pickle
import zipfile

import numpy as np
from safetensors.numpy import save

from tests.hostile.cases.case import Case, net

NET = net("x = nn.pointwise(nn.input(4, 4, 4), 8)", "return nn.relu(nn.batch_norm(x))")
GOOD = {
    "pw.weight": np.ones((1, 1, 4, 8), np.float32),
    "pw.bn.gamma": np.ones(8, np.float32),
    "pw.bn.beta": np.zeros(8, np.float32),
    "pw.bn.mean": np.zeros(8, np.float32),
    "pw.bn.variance": np.ones(8, np.float32),
}
WHOLE = save(GOOD)


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


def header(entries: object, data: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + data


def given(name: str, content: bytes, file: str = "w.safetensors", options: str = "") -> Case:
    command = f"mbc compile net.py --target arm64 --weights {file} {options} -o out --emit header"
    return Case(f"weights: {name}", " ".join(command.split()), {"net.py": NET, file: content})


def changed(name: str, **arrays: np.ndarray) -> Case:
    fixed = {key.replace("_", "."): array for key, array in arrays.items()}
    return given(name, save(GOOD | fixed))


def without(*names: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in GOOD.items() if name not in names}


TORCH = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}
OF_TORCH = {f"pw.bn.{TORCH[n]}": GOOD[f"pw.bn.{n}"] for n in TORCH}

SHAPE = {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}
NAN = np.array([1, 2, np.nan, 4, 5, 6, 7, np.inf], np.float32)

CASES = (
    Case("weights: no such file", "mbc compile tiny.py --weights w.npz -o out"),
    Case("weights: a folder", "mbc compile tiny.py --weights w.npz -o out", {"w.npz/": ""}),
    given("another kind of file", b"", "w.h5"),
    given("a pickle", pickle.dumps({"a": 1}), "w.pth"),
    given("a pickle that asks for code", b"cos\nsystem\n(S'exit 3'\ntR.", "w.pth"),
    given("a zip that is not PyTorch's", zipped("a.txt", b"hello"), "w.pth"),
    given("a file of PyTorch without tensors", zipped("a/data.pkl", b"N."), "w.pth"),
    Case("weights: show what is cut off", "mbc weights show w.pth", {"w.pth": b"PK\x03\x04"}),
    Case("weights: show nothing", "mbc weights show w.pth"),
    Case("weights: map for no network", "mbc weights map w.npz n.py", {"w.npz": npz(GOOD)}),
    Case(
        "weights: rules that are none",
        "mbc weights map w.npz tiny.py --rules r.txt",
        {"w.npz": npz(GOOD), "r.txt": "a = b"},
    ),
    given("a pickle under another name", pickle.dumps(["a"])),
    given("a pickle in a zip", zipped("archive/data.pkl", pickle.dumps(1)), "w.npz"),
    given("an array of objects", npz({"a": np.array([{}], dtype=object)}), "w.npz"),
    given("missing", save(without("pw.weight", "pw.bn.mean"))),
    given("extra", save(GOOD | {"fc.weight": GOOD["pw.bn.beta"]})),
    given("misspelt", save(without("pw.weight") | {"pw.wieght": GOOD["pw.weight"]})),
    given("names of PyTorch", npz(without(*(f"pw.bn.{n}" for n in TORCH)) | OF_TORCH), "w.npz"),
    changed("another shape", pw_weight=np.ones((1, 1, 4, 9), np.float32)),
    changed("the axes of PyTorch", pw_weight=np.ones((8, 4, 1, 1), np.float32)),
    changed("integers", pw_weight=np.ones((1, 1, 4, 8), np.int32)),
    changed("NaN and infinity", pw_bn_beta=NAN),
    changed("a negative variance", pw_bn_variance=-GOOD["pw.bn.variance"]),
    given("too large for float32", npz(GOOD | {"pw.bn.beta": np.full(8, 1e300)}), "w.npz"),
    given("cut off", WHOLE[:-5]),
    given("cut off in the header", WHOLE[:100]),
    given("more data", WHOLE + b"\0"),
    given("an empty file", b""),
    given("a huge header", b"\xff" * 16),
    given("a header that is no JSON", (4).to_bytes(8, "little") + b"{[}]"),
    given(
        "a tensor beyond its place", header({"a": SHAPE | {"data_offsets": [16, 48]}}, bytes(32))
    ),
    given("an unknown type", header({"a": SHAPE | {"dtype": "F99"}}, bytes(32))),
    given("cut off, as .npz", npz(GOOD)[:-40], "w.npz"),
    given("no array in the zip", zipped("readme.txt", b"hello"), "w.npz"),
    given("a damaged array", zipped("pw.weight.npy", b"\x93NUMPY\x01\x00\xff"), "w.npz"),
    given("and a seed", WHOLE, options="--seed 1"),
)
