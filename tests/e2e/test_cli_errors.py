"""Mistakes on the command line and in files: a code, a status, nothing left behind."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mbc.cli import console, main
from mbc.driver.producers import llvm, llvm_files
from tests.e2e.support import ROOT, TINY, done, files_of, mbc

WRONG = [
    (["complie", "tiny.py"], 2, "E0101", "did you mean 'compile'?"),
    (["compile", "tiny.py", "--tarket", "arm64"], 2, "E0101", "did you mean '--target'?"),
    (["compile", "tiny.py", "--targ=arm64"], 2, "E0101", "did you mean '--target'?"),
    (["compile"], 2, "E0101", "FILE"),
    (["compile", "tiny.py", "-D", "width"], 2, "E0101", "NAME=VALUE"),
    (["compile", "tiny.py", "-D", "width=8", "-D", "width=9"], 2, "E0101", "given twice"),
    (["compile", "tiny.py", "-O4"], 2, "E0101", "-O4"),
    (["compile", "tiny.py", "--emit", "exe,sow"], 1, "E0107", "'sow'"),
    (["compile", "tiny.py", "--seed", "-1"], 2, "E0101", "-1"),
    (["compile", "tiny.py", "--dump-ir=out/ir", "-o", "out"], 2, "E0101", "out/ir"),
    (["compile", "tiny.onnx"], 1, "E0701", "tiny.onnx"),
    (["compile", "notes.txt"], 1, "E0102", "notes.txt"),
    (["compile", "tyni.py"], 1, "E0701", "tiny.py"),
    (["compile", "net.mbc"], 1, "E0701", "net.mbc"),
    (["compile", "tiny.py", "--target", "amr64"], 1, "E0501", "arm64"),
    (["compile", "tiny.py", "--target", "arm64", "--mcpu", "cortex-a54"], 1, "E0502", "cortex"),
    (["compile", "tiny.py", "--target", "arm64", "--mattr", "dotprod"], 1, "E0503", "+dotprod"),
    (["compile", "tiny.py", "--target", "x86_64", "--mattr=-fma"], 1, "E0505", "fma"),
    (["compile", "tiny.py", "-D", "widht=8"], 1, "E0110", "width"),
    (["compile", "tiny.py", "-D", "width=wide"], 1, "E0111", "wide"),
    (["compile", "tiny.py", "--batch", "0"], 1, "E0113", "0"),
    (["compile", "tiny.py", "--network", "huge"], 1, "E0212", "huge"),
    (["compile", "tiny.py", "--weights", "w.npz"], 1, "E0701", "w.npz"),
    (["compile", "tiny.py", "--passes", "fuse-all"], 1, "E0510", "fuse-all"),
    (["compile", "tiny.py", "--stop-after", "fusion"], 1, "E0514", "fusion"),
    (["compile", "tiny.py", "--stop-after", "fuse", "-o", "out"], 1, "E0106", "-o"),
    (["compile", "tiny.py", "--optimize", "memry"], 2, "E0101", "'memory'"),
    (["compile", "tiny.py", "--optimize", "memory", "-O1"], 1, "E0106", "-O2"),
    (["compile", "tiny.py", "--fuse", "allways"], 2, "E0101", "'always'"),
    (["report", "tiny.py", "--fuse", "auto", "-O1"], 1, "E0106", "goes with -O2 and -O3, not"),
    (["bench", "tiny.py", "--fuse=never", "--optimize=memory"], 1, "E0106", "exclude each other"),
    (["run", "tiny.py", "--fuse=never", "--passes", "fuse-activation"], 1, "E0106", "{mode="),
    (["compile", "tiny.py", "--optimize", "speed", "--passes", "fuse-rows"], 1, "E0106", "speed"),
    (["compile", "tiny.py", "--print-ir-after", "fuse-all"], 1, "E0510", "fuse-all"),
    (["compile", "tiny.py", "--cc", "no-such-cc"], 1, "E0601", "no-such-cc"),
    (["compile", "tiny.py", "-o", "notes.txt"], 1, "E0703", "notes.txt"),
    (["compile", "tiny.py", "-o", "notes.txt/out"], 1, "E0703", "notes.txt"),
    (["compile", "tiny.py", "-o", "."], 1, "E0702", "notes.txt"),
    (["opt", "tiny.py"], 1, "E0102", "tiny.py"),
    (["bench", "tiny.py", "--stop-after", "fuse"], 2, "E0101", "--stop-after"),
]


@pytest.mark.parametrize(("words", "status", "code", "named"), WRONG, ids=lambda v: str(v))
def test_mistakes(tiny: Path, words: list[str], status: int, code: str, named: str) -> None:
    Path("notes.txt").write_text("mine\n")
    outcome = mbc(*words)
    assert (outcome.status, outcome.code) == (status, code), outcome.err
    assert named in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert {path.name for path in Path().iterdir()} == {"tiny.py", "notes.txt"}


def test_parameters_do_not_apply_to_ir_text(tiny: Path) -> None:
    Path("net.mbc").write_text(done("compile", tiny, "--stop-after", "import").out)
    for words in (["-D", "width=8"], ["--batch", "2"], ["--network", "tiny"]):
        outcome = mbc("compile", "net.mbc", *words)
        assert (outcome.status, outcome.code) == (1, "E0103")
    done("report", "net.mbc")


def test_a_mistake_in_a_network_shows_the_users_line(tiny: Path) -> None:
    tiny.write_text(TINY.replace("nn.pointwise(x, 2 * width)", "nn.pointwise(x, 0)"))
    outcome = mbc("compile", tiny)
    line = 1 + TINY[: TINY.index("nn.pointwise")].count("\n")
    assert f"--> tiny.py:{line}:" in outcome.err
    assert "nn.pointwise(x, 0)" in outcome.err
    assert "^" in outcome.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert console.wants_color(Terminal())
    assert not console.wants_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not console.wants_color(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not console.wants_color(Terminal())


def test_a_terminal_is_shown_progress_and_colour(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen, out = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["compile", "tiny.py", "--emit", "header"]) == 0
    assert main(["report", "tiny.py"]) == 0
    assert main(["compile", "tiny.py", "--target", "amr64"]) == 1
    assert "reading tiny.py" in screen.getvalue()
    assert "\x1b[1;31merror[E0501]\x1b[0m" in screen.getvalue()
    assert "stem.conv" in out.getvalue()


def test_an_internal_error_is_no_traceback(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(llvm, "lower", broken)
    outcome = mbc("compile", tiny)
    assert (outcome.status, outcome.code) == (1, "E0901")
    assert "this is a bug in mbc: RuntimeError: out of order" in outcome.err
    assert "Traceback" not in outcome.err
    details = Path(outcome.err.partition("details are in ")[2].partition(";")[0])
    assert "Traceback" in details.read_text()
    details.unlink()
    assert not Path("build").exists()


# ---- output folders --------------------------------------------------------------------------


def test_a_folder_of_ours_is_replaced_as_a_whole(tiny: Path) -> None:
    done("compile", tiny, "-o", "out", "--emit", "header,asm")
    done("compile", tiny, "-o", "out", "--emit", "header")
    assert set(files_of(Path("out"))) == {"tiny.h", "manifest.json"}
    assert {path.name for path in Path().iterdir()} == {"tiny.py", "out"}


def test_a_folder_with_a_foreign_file_is_left_alone(tiny: Path) -> None:
    done("compile", tiny, "-o", "out", "--emit", "header")
    Path("out/thesis.txt").write_text("two years\n")
    before = files_of(Path("out"))
    outcome = mbc("compile", tiny, "-o", "out", "--emit", "header")
    assert (outcome.status, outcome.code) == (1, "E0702")
    assert "thesis.txt" in outcome.err
    assert files_of(Path("out")) == before


@pytest.mark.parametrize("manifest", ["{}", "[]", "no json", '{"files": {"a.txt": ""}}'])
def test_a_manifest_of_others_vouches_for_nothing(tiny: Path, manifest: str) -> None:
    Path("out").mkdir()
    Path("out/manifest.json").write_text(manifest)
    assert mbc("compile", tiny, "-o", "out", "--emit", "header").code == "E0702"
    assert Path("out/manifest.json").read_text() == manifest


def test_an_empty_folder_and_a_link_to_one_are_used(tiny: Path) -> None:
    Path("real").mkdir()
    Path("link").symlink_to("real")
    done("compile", tiny, "-o", "link", "--emit", "header")
    assert Path("link").is_symlink()
    assert set(files_of(Path("real"))) == {"tiny.h", "manifest.json"}


def test_the_folders_mode_follows_the_umask(tiny: Path) -> None:
    before = os.umask(0o027)
    try:
        done("compile", tiny, "-o", "out", "--emit", "header")
    finally:
        os.umask(before)
    assert Path("out").stat().st_mode & 0o777 == 0o750


def test_a_full_disk_leaves_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done("compile", tiny, "-o", "out", "--emit", "header")
    before = files_of(Path("out"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(llvm_files, "_deliver", full)
    for place in ("out", "new/deep/out"):
        outcome = mbc("compile", tiny, "-o", place, "--emit", "header")
        assert (outcome.status, outcome.code) == (1, "E0703")
        assert "No space left on device" in outcome.err
    assert files_of(Path("out")) == before
    assert {path.name for path in Path().iterdir()} == {"tiny.py", "out"}


def test_a_rename_that_fails_puts_the_old_folder_back(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done("compile", tiny, "-o", "out", "--emit", "header")
    before = files_of(Path("out"))
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.startswith(".out-"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", failing)
        assert mbc("compile", tiny, "-o", "out", "--emit", "header").code == "E0703"
    assert files_of(Path("out")) == before


def test_an_interruption_leaves_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(llvm_files, "_deliver", interrupted)
    outcome = mbc("compile", tiny, "-o", "a/out", "--emit", "header")
    assert (outcome.status, outcome.out) == (130, "")
    assert outcome.err.endswith("interrupted\n")
    assert {path.name for path in Path().iterdir()} == {"tiny.py"}


def test_control_c_ends_a_process_cleanly(tiny: Path) -> None:
    """A network that never returns."""
    endless = "    print('now', flush=True)\n    while True:\n        pass\n    x = nn.input"
    tiny.write_text(TINY.replace("    x = nn.input", endless))
    command = [sys.executable, "-m", "mbc", "compile", "tiny.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not Path("build").exists()


def test_what_was_made_before_is_known_by_its_manifest(tiny: Path) -> None:
    done("compile", tiny, "-o", "out", "--emit", "header,ir")
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert set(manifest["files"]) == {"tiny.h", "tiny.mbc", "constants.safetensors"}
    done("compile", tiny, "-o", "out", "--emit", "header")
    assert not Path("out/tiny.mbc").exists()
