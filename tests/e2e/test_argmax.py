"""A network whose outputs are integers, through all that the command line makes and runs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mbc as product
from tests.e2e.support import mbc

NETWORK = """\
from mbc.frontends.dsl import Net, Tensor, network


@network
def seg(nn: Net) -> tuple[Tensor, Tensor]:
    x = nn.relu(nn.conv(nn.input(6, 7, 3, name="x"), 12, 3, padding=1))
    labels = nn.argmax(nn.concat(nn.pointwise(x, 5), nn.pointwise(x, 16)))
    return labels, nn.argmax(nn.dense(nn.global_avg_pool(x), 10), keepdims=True)
"""


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """In the current folder seg.py and x.npy; what the oracle answers."""
    monkeypatch.chdir(tmp_path)
    Path("seg.py").write_text(NETWORK)
    np.save("x.npy", np.random.default_rng(3).standard_normal((1, 6, 7, 3)).astype(np.float32))
    found = product.compile("seg.py", backend="oracle")(np.load("x.npy"))
    assert isinstance(found, dict)
    return found


def done(*words: str) -> str:
    outcome = mbc(*words)
    assert outcome.status == 0, outcome.err
    return outcome.out


def check(wanted: dict[str, np.ndarray]) -> None:
    for path, array in zip(("labels.npy", "class.npy"), wanted.values(), strict=True):
        found = np.load(path)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, array)


PROGRAM = ("out/seg", "--input", "x.npy")
OUTPUTS = ("--output", "labels.npy", "--output", "class.npy")


def test_the_executable_and_libraries(wanted: dict[str, np.ndarray]) -> None:
    done("compile", "seg.py", "-o", "out", "--emit", "exe,so,lib,header", "--check-passes")
    assert done("verify", "out").count(" 0\n") == 6
    subprocess.run([*PROGRAM, *OUTPUTS], check=True)
    check(wanted)
    header = Path("out/seg.h").read_text()
    assert "  int32_t *output0;" in header
    assert "#define SEG_OUTPUT_OUTPUT1_TYPE MBC_S32" in header
    outputs = json.loads(Path("out/manifest.json").read_text())["outputs"]
    assert [output["dtype"] for output in outputs] == ["s32", "s32"]


def test_what_is_printed(wanted: dict[str, np.ndarray]) -> None:
    done("compile", "seg.py", "-o", "out", "--emit", "exe", "--no-check")
    best = wanted["output1"].item()
    assert f"output1 (1, 1): min {best}, mean {best}, max {best}\n" in printed()
    assert printed() == done("run", "seg.py", "--input", "x.npy")
    assert printed("--top", "2") == done("run", "seg.py", "--input", "x.npy", "--top", "2")
    assert "output output0: int32 (1, 6, 7)" in printed("--help")


def printed(*words: str) -> str:
    ran = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=True)
    return ran.stdout


def test_verify_notices_one_label(wanted: dict[str, np.ndarray]) -> None:
    done("compile", "seg.py", "-o", "out", "--emit", "exe")
    path, manifest = Path("out/seg.check.npz"), Path("out/manifest.json")
    arrays = dict(np.load(path))
    arrays["arr_0"][0, 2, 3] += 1
    np.savez_compressed(path, **arrays)
    listed = json.loads(manifest.read_text())
    listed["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(listed))
    outcome = mbc("verify", "out")
    assert (outcome.status, outcome.code) == (1, "E0721")
    assert "element (0, 2, 3)" in outcome.err


def test_labels_of_classes_are_for_scores(wanted: dict[str, np.ndarray]) -> None:
    Path("names.txt").write_text("cat\n" * 7)
    outcome = mbc("run", "seg.py", "--input", "x.npy", "--labels", "names.txt")
    assert (outcome.status, outcome.code) == (1, "E0709")


def test_in_python_and_from_onnx(wanted: dict[str, np.ndarray]) -> None:
    found = product.compile("seg.py")(np.load("x.npy"))
    assert isinstance(found, dict)
    for name, array in wanted.items():
        assert found[name].dtype == np.int32
        np.testing.assert_array_equal(found[name], array)
    done("export", "seg.py", "-o", "seg.onnx")
    done("run", "seg.onnx", "--input", "x.npy", *OUTPUTS)
    check(wanted)


def test_engines_answer_with_the_same_integers(wanted: dict[str, np.ndarray]) -> None:
    shown = done("bench", "seg.py", "--vs", "onnxruntime", "--rounds", "1", "--json")
    assert [*json.loads(shown)["ratio"]] == ["onnxruntime"]


def test_tvm(wanted: dict[str, np.ndarray]) -> None:
    pytest.importorskip("tvm", reason="the extra tvm is not installed")
    done("compile", "seg.py", "-o", "out", "--backend", "tvm")
    assert done("verify", "out").count(" 0\n") == 2
    command = [sys.executable, "out/run.py", "--input", "x.npy", *OUTPUTS]
    subprocess.run(command, check=True)
    check(wanted)


def test_opencl(wanted: dict[str, np.ndarray]) -> None:
    pytest.importorskip("tvm", reason="the extra tvm is not installed")
    pytest.importorskip("pyopencl", reason="the extra opencl is not installed")
    done("compile", "seg.py", "-o", "out", "--target", "opencl")
    assert done("verify", "out").count(" 0\n") == 2
    assert "OPENCL_OUTPUT_OUTPUT0_CTYPE int32_t" in Path("out/seg_opencl.h").read_text()
    done("run", "seg.py", "--target", "opencl", "--input", "x.npy", *OUTPUTS)
    check(wanted)
