"""TVM is loaded only in a pair of versions that works; all else is explained."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from mbc.backends.tvm import require
from mbc.diag import MbcError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("ffi", ["0.1.14.post0", "0.1.14.post1"])
def test_the_right_pair_passes(ffi: str) -> None:
    require.check_pair("0.27.0.post1", ffi)


@pytest.mark.parametrize(
    ("tvm", "ffi", "wrong"),
    [
        ("0.27.0.post1", "0.1.15.post2", "apache-tvm-ffi 0.1.15.post2 found"),
        ("0.27.0.post1", "0.1.14", "apache-tvm-ffi 0.1.14 found"),
        ("0.26.0", "0.1.14.post1", "apache-tvm 0.26.0 found"),
        ("0.26.0", "0.1.140.post1", "apache-tvm 0.26.0 and apache-tvm-ffi 0.1.140.post1 found"),
    ],
)
def test_a_wrong_pair_is_named_with_the_right_one(tvm: str, ffi: str, wrong: str) -> None:
    with pytest.raises(MbcError) as caught:
        require.check_pair(tvm, ffi)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0613"
    assert diagnostic.message.startswith(wrong)
    assert "apache-tvm==0.27.0.post1" in diagnostic.helps[0]
    assert "apache-tvm-ffi>=0.1.14.post0,<0.1.15" in diagnostic.helps[0]


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    monkeypatch.setitem(sys.modules, "tvm", None)
    require.tvm.cache_clear()
    with pytest.raises(MbcError, match="E0610") as caught:
        require.tvm()
    assert "mbc[tvm]" in caught.value.diagnostics[0].helps[0]


def test_a_wrong_pair_is_never_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"apache-tvm": "0.27.0.post1", "apache-tvm-ffi": "0.1.15.post2"}
    monkeypatch.setattr(metadata, "version", versions.__getitem__)
    monkeypatch.setattr(require, "optional_module", lambda *_: pytest.fail("TVM was loaded"))
    require.tvm.cache_clear()
    with pytest.raises(MbcError, match="E0613"):
        require.tvm()


def test_the_pair_is_the_one_that_the_extra_installs() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert all(f'"{spec}"' in text for spec in require.PAIR)


def test_the_extra_has_what_rpc_needs() -> None:
    """The client's packages, which are asked for by name, and the tracker's."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = " ".join(extras["optional-dependencies"]["tvm"])
    assert all(f" {name}>=" in named for name in (*require.RPC_NEEDS, "tornado"))


def test_the_command_line_starts_without_tvm() -> None:
    code = (
        "import sys, mbc.cli.dispatch\n"
        "print(sorted({'tvm', 'tvm_ffi'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
