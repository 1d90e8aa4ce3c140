"""Files of PyTorch are looked into before PyTorch reads them: what holds code is refused."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mbc.diag import MbcError
from mbc.frontends.torch.archive import check_archive

Members = Mapping[str, bytes]


def program(*targets: str, **more: Any) -> bytes:
    """The description of a program with these ops."""
    nodes = [
        {
            "target": target,
            "outputs": [{"as_tensor": {"name": f"value{number}"}}],
            "metadata": {},
        }
        for number, target in enumerate(targets)
    ]
    return json.dumps({"graph_module": {"graph": {"nodes": nodes}}, **more}).encode()


def config(**entry: Any) -> bytes:
    return json.dumps({"config": {"w": entry}}).encode()


RELU = program(
    "torch.ops.aten.relu.default",
    "_operator.getitem",
    "torch.ops.higher_order.wrap_with_set_grad_enabled",
)
SOUND: Members = {
    "archive_format": b"pt2",
    "models/model.json": RELU,
    "data/weights/model_weights_config.json": config(path_name="weight_0", use_pickle=False),
    "data/weights/weight_0": b"0000",
}


def written(folder: Path, members: Members, kind: int = zipfile.ZIP_STORED) -> Path:
    path = folder / "net.pt2"
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(f"net/{name}", content)
    return path


def refused(path: Path) -> MbcError:
    with pytest.raises(MbcError) as caught:
        check_archive(path)
    return caught.value


def test_a_program_is_let_through(tmp_path: Path) -> None:
    check_archive(written(tmp_path, SOUND))


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"code/__torch__.py": b""}, "E0810", "TorchScript"),
        ({"constants.pkl": b""}, "E0810", "TorchScript"),
        ({"data/aotinductor/model/net.so": b""}, "E0810", "a compiled library"),
        (
            {"data/constants/model_constants_config.json": config(path_name="custom_obj_0")},
            "E0810",
            "custom_obj_0",
        ),
        (
            {"data/constants/model_constants_config.json": config(path_name="opaque_obj_0")},
            "E0810",
            "opaque_obj_0",
        ),
        (
            {"data/weights/model_weights_config.json": config(path_name="w", use_pickle=True)},
            "E0810",
            "pickled",
        ),
        ({"models/model.json": program(guards_code=["f()"])}, "E0810", "guards"),
        ({"models/model.json": program(ranges={"expr_str": "f()"})}, "E0804", "static"),
        ({"models/model.json": b"{"}, "E0801", "no program"),
        ({"models/other.json": RELU}, "E0801", "no program"),
        ({"models/model.json": b"[" * 100_000}, "E0801", "no program"),
    ],
)
def test_what_would_run_code_is_refused(
    more: Members, code: str, words: str, tmp_path: Path
) -> None:
    (found,) = refused(written(tmp_path, {**SOUND, **more})).diagnostics
    assert (found.code, words in f"{found.message} {found.label}") == (code, True), found
    assert found.helps


def test_ops_that_are_looked_up_elsewhere_are_told_at_once(tmp_path: Path) -> None:
    """Before PyTorch takes functions of these names."""
    targets = (
        "torch.ops.mine.fused.default",
        "torch.hub.load",
        "torch.ops.mine.fused.default",
        "_operator.call",
        "math.exp",
        "torch.ops.aten.from_file.default",
    )
    path = written(tmp_path, {**SOUND, "models/model.json": program(*targets)})
    found = {d.message: d for d in refused(path).diagnostics}
    assert {d.code for d in found.values()} == {"E0802"}
    assert found["mine.fused is not supported"].label == "2 nodes, the first is 'value0'"
    assert len(found) == 5


def test_what_is_read_is_what_was_looked_into(tmp_path: Path) -> None:
    """Not another member of the same name."""
    path = written(tmp_path, SOUND)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/models/model.json", RELU)
    assert "two members" in refused(path).diagnostics[0].label


def test_other_files_are_refused(tmp_path: Path) -> None:
    pickled = tmp_path / "old.pt2"
    pickled.write_bytes(pickle.dumps({"w": 1}))
    empty = tmp_path / "empty.pt2"
    empty.write_bytes(b"")
    zipped = written(tmp_path, {"readme": b""})
    assert refused(pickled).diagnostics[0].code == "E0810"
    assert refused(empty).diagnostics[0].code == "E0801"
    assert refused(zipped).diagnostics[0].code == "E0801"
    assert refused(tmp_path / "missing.pt2").diagnostics[0].code == "E0701"
    assert refused(tmp_path).diagnostics[0].code == "E0701"
    assert refused(written(tmp_path, {"data.pkl": b""})).diagnostics[0].code == "E0810"
    compressed = written(tmp_path, SOUND, zipfile.ZIP_DEFLATED)
    assert "compressed" in refused(compressed).diagnostics[0].label
