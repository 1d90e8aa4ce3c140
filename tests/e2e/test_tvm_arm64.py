"""NET.so for arm64, run by TVM's own arm64 runtime under qemu, the slow way: by its run.py, and as
on a board of TVM's RPC."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mbc.runtime import reference
from mbc.runtime.abi import IoSpec
from tests.e2e.arm64_tvm import command, program
from tests.e2e.rpc_devices import device, tracker
from tests.e2e.support import EXAMPLES, ROOT, done, mbc, relative_error

RUNTIME = ROOT / ".venv" / "arm64-tvm"
INPUT, OUTPUT = IoSpec("input", (1, 64, 64, 3)), IoSpec("output", (1, 1000))


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (RUNTIME / "packages.txt").exists(),
        reason="make arm64-tvm installs TVM's arm64 runtime",
    ),
]


def test_a_network_runs_on_tvms_arm64_runtime(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ("-D", "resolution=64", "--backend", "tvm", "--target", "arm64")
    done("compile", EXAMPLES / "mobilenet_v1.py", *options, "--mcpu", "cortex-a76", "-o", folder)
    (x,) = reference.seeded_inputs([INPUT], reference.SEED).values()
    np.save(tmp_path / "x.npy", x)
    files = ("--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--threads", "1")
    words = [*command(RUNTIME, "cortex-a76"), folder / "run.py", *files]
    outcome = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    wanted = reference.read(folder / "mobilenet_v1.check.npz", [OUTPUT])
    assert relative_error(np.load(tmp_path / "y.npy"), wanted["output"]) <= 1e-4


def test_an_arm64_board_of_tvms_rpc(tiny: Path, tmp_path: Path) -> None:
    """Code from here runs there, and code for here does not."""
    python = program(RUNTIME, "cortex-a76", tmp_path / "python")
    with tracker(tmp_path) as at, device(tmp_path, at, "arm", python=str(python)):
        words = ("bench", tiny, "--backend", "tvm", "--rpc", str(at), "--rounds", "3")
        data = json.loads(done(*words, "--target", "arm64", "--mcpu", "cortex-a76", "--json").out)
        assert data["target"]["cpu"] == "cortex-a76"
        assert data["errors"]["output"] <= 1e-4
        assert mbc(*words, "--target", "x86_64").code == "E0633"
