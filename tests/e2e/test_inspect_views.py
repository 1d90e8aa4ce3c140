"""The views of `mbc inspect` on a small network, as tests/e2e/inspected.txt shows them.

`pytest --update-golden` rewrites it; times of passes are left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.support import EXAMPLES, ROOT, done, mbc

GOLDEN = Path(__file__).with_name("inspected.txt")
VIEWS = (
    (),
    ("--profile", "profile.json"),
    ("--mhz", "1800", "-O0"),
    ("--target", "arm64", "--stop-after", "canonicalize"),
    ("--pass", "fuse-activation"),
    ("--pass", "import", "-O1"),
    ("--pass", "21", "-D", "softmax=true"),
    ("--diff", "fold-batch-norm", "choose-schedules"),
    ("--diff", "import", "fold-affine"),
    ("--diff", "4", "5"),
    ("--diff", "21", "plan-memory"),
    ("--node", "block.dw"),
    ("--node", "%fc", "--profile", "profile.json"),
    ("--node", "stem.conv.bn", "--stop-after", "canonicalize"),
    ("--why", "block.pw"),
    ("--why", "global_avg_pool", "--passes", "fold-pad"),
    ("--around", "block.dw", "--depth", "1"),
    ("--around", "fc", "-O1"),
)


def shown(words: tuple[str, ...]) -> str:
    """What a command prints, without times."""
    out = done("inspect", "tiny.py", "--target", "rpi4", *words).out
    out = re.sub(r"(, )\d+\.\d ms$", r"\1… ms", out, flags=re.MULTILINE)
    if "pass ms" in out:
        column = out.index("pass ms") - out.rindex("\n", 0, out.index("pass ms")) - 1
        out = "\n".join(_without(line, column) for line in out.splitlines()) + "\n"
    return out


def _without(line: str, column: int) -> str:
    """Cut a time out of a row of the pipeline."""
    if not re.match(r" ?\d+  [a-z]", line):
        return line
    return f"{line[:column].rstrip()} …{line[column + 7 :]}".rstrip()


def test_the_views(tiny: Path, request: pytest.FixtureRequest) -> None:
    names = ("stem.conv.relu", "block.pw.relu", "global_avg_pool", "fc")
    layers = [{"name": name, "ms": 0.25} for name in names]
    profile = {"target": "rpi4", "threads": 1, "ms_median": 1.25, "layers": layers}
    Path("profile.json").write_text(json.dumps(profile))
    text = "".join(f"$ mbc inspect {' '.join(words)}\n{shown(words)}\n" for words in VIEWS)
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "code", "help"),
    [
        (("--pass", "fuse-activaton"), "E0106", "did you mean 'fuse-activation'?"),
        (("--pass", "99"), "E0106", "the stages are 0 to 22: import, fold-constants"),
        (("--diff", "import", "quantise"), "E0106", "the stages are"),
        (("--node", "block.dv"), "E0120", "similar names: block.dw"),
        (("--why", "block"), "E0120", "block.dw, block.dw.bn, block.dw.relu"),
        (("--around", "nonsense"), "E0120", "--pass import"),
        (("--why", "fc", "--depth", "3"), "E0106", ""),
        (("--why", "fc", "--profile", "tiny.py"), "E0106", ""),
        (("--node", "fc", "--no-source"), "E0106", ""),
        (("--node", "fc", "--profile", "none.json"), "E0701", ""),
        (("--node", "fc", "--profile", "tiny.py"), "E0714", "mbc profile --json"),
    ],
)
def test_mistakes(tiny: Path, words: tuple[str, ...], code: str, help: str) -> None:
    outcome = mbc("inspect", tiny, *words)
    assert (outcome.status, outcome.code, outcome.out) == (1, code, "")
    assert help in outcome.err


def test_views_exclude_each_other(tiny: Path) -> None:
    assert mbc("inspect", tiny, "--why", "fc", "--node", "fc").status == 2


def test_a_depthwise_convolution_of_shufflenet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shuffle moves into its weights, and it ends in a kernel of its block."""
    monkeypatch.chdir(ROOT)
    words = ("-D", "resolution=64", "--target", "rpi4", "--node", "stage2.0.dw")
    out = done("inspect", EXAMPLES / "shufflenet_v1.py", *words).out
    assert re.search(r"shufflenet_v1\.py:\d+:\d+: .*nn\.depthwise\(", out)
    assert "* remap-channel-shuffle.removed: " in out
    assert "* fold-batch-norm.folded: folded: %stage2.0.dw.bn into %stage2.0.dw" in out
    assert "* fuse-inverted-residual.fused: " in out
    assert re.search(r"in the end %stage2\.0\.expand\.relu, fused inverted_residual\n", out)
    assert re.search(r"  kernel   f32_\w+__neon, called by shufflenet_v1_k\d+", out)
    assert re.search(r"  place    bytes [\d,]+ to [\d,]+ of the arena", out)
    assert re.search(r"  time     predicted \d+\.\d+ ms", out)


def test_a_value_of_an_imported_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = EXAMPLES / "shufflenet_v2.py"
    done("export", page, "-D", "resolution=32", "-D", "scale=0.5", "-o", "v2.onnx")
    out = done("inspect", "v2.onnx", "--target", "rpi4", "--node", "stage2.1.dw.bn").out
    assert out.startswith("%stage2.1.dw.bn\n")
    assert "00 import\n    %stage2.1.dw.bn = conv2d(" in out
    assert re.search(r"in the end %\S+, \S+", out)
    assert "  kernel   f32_" in out
    assert "  time     predicted" in out


def test_the_pager_is_for_terminals(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "false")
    assert "import" in done("inspect", tiny).out


def test_a_network_on_codes(tiny: Path) -> None:
    done("quantize", tiny, "--random", "-o", "tiny.q")
    words = ("inspect", tiny, "--quantize", "tiny.q", "--target", "rpi4")
    out = done(*words).out
    assert "for rpi4 (cortex-a72), -O2, for speed, on 8-bit codes" in out
    assert "kernels on codes count as those on floats" in out
    why = done(*words, "--why", "block.dw").out
    assert "01 quantise\n  * fold-batch-norm.folded: folded: %block.dw.bn into %block.dw" in why
    assert "  * quantise.integer: integer: %block.dw.relu" in why
    assert "\nquantise.integer: The node computes with 8-bit codes.\n" in why


def test_a_dump_states_origins(tiny: Path) -> None:
    """So a value is found by a name that it had before the dump."""
    done("compile", tiny, "--target", "rpi4", "--dump-ir", "ir", "--stop-after", "fuse")
    out = done("inspect", "ir/10-fuse-activation.mbc", "--target", "rpi4", "--node", "block.dw").out
    assert "00 import\n    %block.dw.relu = conv2d(" in out
    assert "in the end %block.pw.relu, fused dw_pw" in out


def test_a_terminal_shows_colours_and_a_pager(tiny: Path) -> None:
    ours, theirs = os.openpty()
    words = [sys.executable, "-m", "mbc", "inspect", "tiny.py", "--pass", "fuse-activation"]
    pager = {"TERM": "xterm", "PAGER": "sed s/^/paged:/", "NO_COLOR": ""}
    env = {**os.environ, **pager, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, env=env) as process:
        os.close(theirs)
        out = b""
        with contextlib.suppress(OSError):  # what Linux says at the end
            while read := os.read(ours, 4096):
                out += read
    os.close(ours)
    assert process.returncode == 0
    assert all(line.startswith(b"paged:") for line in out.splitlines())
    assert b"\x1b[33m~+   %stem.conv.relu = conv2d(" in out
