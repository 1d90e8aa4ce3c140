"""The commands that list, explain and copy; help; and exit statuses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mbc import __version__
from mbc.cli import dispatch
from mbc.codes import CODES
from mbc.ir.activations import KINDS
from mbc.ops import OPS
from mbc.passes.pipelines import PASSES
from mbc.targets.catalogue import target_names
from tests.e2e.support import EXAMPLES, ROOT, done, mbc

COMMANDS = [
    *(
        "compile",
        "run",
        "quantize",
        "preprocess",
        "bench",
        "profile",
        "import",
        "export",
        "opt",
        "report",
        "inspect",
        "sweep",
        "verify",
        "compare",
        "weights",
    ),
    *("targets", "passes", "ops", "new", "setup", "explain"),
]


def test_the_commands() -> None:
    assert list(dispatch.COMMANDS) == COMMANDS
    out = done("--help").out
    assert all(re.search(rf"^    {name}\b", out, re.MULTILINE) for name in COMMANDS)
    assert done("--version").out == f"mbc {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_help_and_is_documented(name: str) -> None:
    out = done(name, "--help").out
    assert out.startswith(f"usage: mbc {name}")
    documented = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert f"## mbc {name}" in documented
    for option in re.findall(r"^  (?:-\w[\w ={}.,-]*, )?(--[a-z-]+)", out, re.MULTILINE):
        assert f"`{option}" in documented, f"{option} of mbc {name} is not in docs/cli.md"


def test_nothing_to_do_is_a_usage_error() -> None:
    outcome = mbc()
    assert (outcome.status, outcome.out) == (2, "")
    assert "COMMAND" in outcome.err


def test_targets() -> None:
    out = done("targets").out
    assert all(name in out for name in target_names())
    assert "aarch64-unknown-linux-gnu" in out
    assert re.search(r"^x86_64 .* (warm|cold)$", out, re.MULTILINE)


def test_one_target_in_detail() -> None:
    out = done("targets", "rk3588").out
    assert re.search(r"^cpu +cortex-a76 -ssbs$", out, re.MULTILINE)
    assert re.search(r"^cores +4x cortex-a55 1.8 GHz, 4 FMA a cycle each$", out, re.MULTILINE)
    assert re.search(r"^peak +38.4 GFLOP/s", out, re.MULTILINE)
    assert re.search(r"^memory +34.1 GB/s: LPDDR4X", out, re.MULTILINE)
    assert re.search(r"^emulator +qemu-aarch64 -cpu cortex-a76$", out, re.MULTILINE)
    assert "none: AVX-512" in done("targets", "x86_64-v4").out
    assert mbc("targets", "rk3589").code == "E0501"


def test_targets_tell_whose_libc_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("MBC_CC", raising=False)
    assert re.search(r"^arm64 .* cold$", done("targets").out, re.MULTILINE)
    assert re.search(r"^arm64 .* warm$", done("targets", "--cc", "cc").out, re.MULTILINE)


@pytest.mark.slow
def test_setup_warms_a_target() -> None:
    assert done("setup", "arm64").out == "arm64: warm\n"
    assert mbc("setup", "arm46").code == "E0501"
    assert mbc("setup").status == 2


def test_passes() -> None:
    out = done("passes").out
    assert all(re.search(rf"^{p.name} ", out, re.MULTILINE) for p in PASSES)
    assert "mode=auto|always|never (default auto)" in out
    assert all(f"-O{level}: import, " in out for level in range(4))


def test_ops() -> None:
    out = done("ops").out
    assert all(re.search(rf"^{op.mnemonic} ", out, re.MULTILINE) for op in OPS)
    assert "stride=(1,1) pad=(0,0,0,0) dilation=(1,1) groups=1 act=none" in out


def test_ops_of_backends() -> None:
    out = done("ops", "--backends").out
    assert re.search(r"^conv2d( +yes){6}$", out, re.MULTILINE)
    assert re.search(r"^quantize  +yes +yes( +E0509){2}  +yes +-$", out, re.MULTILINE)
    assert mbc("ops", "--backends", "--onnx").code == "E0101"


def test_ops_on_codes() -> None:
    out = done("ops", "--int8").out
    assert len(out.splitlines()) == 1 + len(OPS) + len(KINDS)
    for row in ("conv2d +integer", "concat +moves codes", "softmax +island", "  silu +integer"):
        assert re.search(f"^{row}$", out, re.MULTILINE)


@pytest.mark.parametrize("name", CODES)
def test_explain(name: str) -> None:
    out = done("explain", name).out
    assert out.startswith(f"{name}: {CODES[name].title}\n")
    assert CODES[name].cure in out


def test_explain_all_and_none() -> None:
    assert all(name in done("explain").out for name in CODES)
    assert done("explain", "e0501").out == done("explain", "[E0501]").out
    assert mbc("explain", "E9999").code == "E0105"


def test_explain_a_remark() -> None:
    out = done("explain", "fuse-activation.shared").out
    assert out.startswith("fuse-activation.shared: The value in between has other readers")
    wrong = mbc("explain", "fuse-activation.shard")
    assert wrong.code == "E0105"
    assert "did you mean 'fuse-activation.shared'?" in wrong.err


def test_new_copies_an_example_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done("new", "mobilenet_v1.py")
    copy = Path("mobilenet_v1.py")
    assert copy.read_bytes() == (EXAMPLES / copy).read_bytes()
    copy.write_text("# mine now\n")
    assert mbc("new", "mobilenet_v1").code == "E0707"
    assert copy.read_text() == "# mine now\n"
    done("new", "shufflenet_v2", "-o", "other.py")
    assert Path("other.py").read_bytes() == (EXAMPLES / "shufflenet_v2.py").read_bytes()
    done("new", "ds_cnn")
    assert Path("ds_cnn.py").read_bytes() == (EXAMPLES / "tiny" / "ds_cnn.py").read_bytes()
    assert mbc("new", "mobilenet_v9.py").code == "E0104"
    assert mbc("new", "mobilenet_v1.py", "-o", "no/folder.py").code == "E0703"


def test_new_lists_the_examples() -> None:
    out = done("new").out
    folders = (EXAMPLES, EXAMPLES / "tiny", EXAMPLES / "detection")
    pages = [page for folder in folders for page in folder.glob("*.py")]
    pages.remove(EXAMPLES / "detection" / "detect.py")  # runs a network, but is none
    listed = [line.split()[0] for line in out.splitlines()]
    assert listed[-len(pages) :] == sorted(page.name for page in pages)


def test_an_example_that_was_copied_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done("new", "mobilenet_v2")
    words = ("-D", "resolution=64", "--emit", "header", "--target", "arm64")
    assert "build/mobilenet_v2-arm64/" in done("compile", "mobilenet_v2.py", *words).out


def test_results_and_progress_are_kept_apart(tiny: Path) -> None:
    outcome = done("compile", tiny, "--emit", "header")
    assert outcome.out.startswith("build/tiny-native/  (native: ")
    assert "reading tiny.py" in outcome.err
    assert "\x1b" not in outcome.out + outcome.err


def test_a_reader_who_leaves_is_no_fault_of_ours() -> None:
    """As in `mbc explain | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "mbc", "explain"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with os.fdopen(writer) as stdout:
        ended = subprocess.run(
            command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True
        )
    assert (ended.returncode, ended.stderr) == (1, "")
