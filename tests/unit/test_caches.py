"""Where caches are, for users with and without a home."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from mbc import caches
from mbc.diag import MbcError
from mbc.files import scratch_folder
from mbc.runtime import pool


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files; the user has no home."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(Path, "home", no_home)
    return folder


@pytest.fixture
def private(temporary: Path) -> Path:
    """The user's own folder there, which nobody has made."""
    return temporary / f"mbc-{os.geteuid()}"


def test_a_home(tmp_path: Path, temporary: Path) -> None:
    home, other = str(tmp_path / "home"), str(tmp_path / "other")
    places = {
        f"{home}/.cache/mbc": [{"HOME": home}, {"HOME": home, "XDG_CACHE_HOME": "relative"},
                               {"HOME": home, "XDG_CACHE_HOME": "/dev/null"}],
        f"{other}/mbc": [{"XDG_CACHE_HOME": other}, {"HOME": home, "XDG_CACHE_HOME": other}],
    }  # fmt: skip
    for place, environments in places.items():
        for environ in environments:
            assert str(caches.cache_folder(environ)) == place
            assert str(caches.zig_folder(environ)) == f"{place}/zig"
            assert caches.zig_folder({**environ, "ZIG_GLOBAL_CACHE_DIR": "/z"}) == Path("/z")
    assert list(tmp_path.iterdir()) == [temporary]  # nothing is made


def test_the_system_knows_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert caches.cache_folder({}) == tmp_path / ".cache" / "mbc"


@pytest.mark.parametrize(
    "environ",
    [{}, {"HOME": ""}, {"HOME": "/dev/null"}, {"HOME": "me"}, {"XDG_CACHE_HOME": "/dev/null/x"}],
)
def test_no_home(environ: dict[str, str], private: Path) -> None:
    folder = caches.cache_folder(environ)
    assert folder == private / "mbc"
    assert not private.exists()
    caches.make_folder(folder)
    caches.make_folder(folder)
    assert private.stat().st_mode & 0o7777 == 0o700
    assert folder.is_dir()


def test_a_folder_that_may_not_be_written(tmp_path: Path, private: Path) -> None:
    """Not to be seen by root, for whom all folders can be written."""
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    expected = home / ".cache" if os.geteuid() == 0 else private
    assert caches.cache_folder({"HOME": str(home)}) == expected / "mbc"


def link_elsewhere(private: Path) -> None:
    (private.parent / "elsewhere").mkdir()
    private.symlink_to(private.parent / "elsewhere")


def open_to_all(private: Path) -> None:
    private.mkdir()
    private.chmod(0o777)


def a_file(private: Path) -> None:
    private.touch()


@pytest.mark.parametrize("prepare", [link_elsewhere, open_to_all, a_file])
def test_a_folder_that_others_could_have_filled(prepare: object, private: Path) -> None:
    assert callable(prepare)
    prepare(private)
    for folder in (caches.cache_folder({}), caches.zig_folder({})):
        with pytest.raises(MbcError, match=r"E0607: .* is not a folder that only you can write to"):
            caches.make_folder(folder)
    with pytest.raises(MbcError, match="E0607"):
        caches.lend_home({})
    caches.make_folder(private.parent / "another")  # what lies elsewhere is as the user wants it


def test_a_folder_of_another_user(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private.mkdir(mode=0o700)
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    private.rename(private.with_name(f"mbc-{uid + 1}"))
    with pytest.raises(MbcError, match=r"E0607: .* is not a folder that only you can write to"):
        caches.make_folder(caches.cache_folder({}))


def test_no_temporary_folder(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    home = {"HOME": str(temporary)}
    caches.make_folder(caches.cache_folder(home))  # needs none
    with pytest.raises(MbcError, match="E0607") as caught:
        caches.cache_folder({})
    assert "TMPDIR" in str(caught.value.diagnostics[0].helps)
    with pytest.raises(MbcError, match="E0607"), scratch_folder():
        pass
    with scratch_folder(beside=temporary / "x") as folder:
        assert folder.parent == temporary


def test_libraries_are_lent_a_home(private: Path, tmp_path: Path) -> None:
    plain = {"HOME": str(tmp_path / "home")}
    caches.lend_home(plain)
    assert plain == {"HOME": str(tmp_path / "home")}
    nobody: dict[str, str] = {}
    caches.lend_home(nobody)
    assert nobody == {"HOME": str(private), "XDG_CACHE_HOME": str(private)}
    assert caches.cache_folder(nobody) == caches.cache_folder({})
    caches.lend_home(nobody)
    assert nobody["HOME"] == str(private)
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    caches.lend_home(cache)
    assert cache == {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    closed = {"HOME": "/dev/null"}
    caches.lend_home(closed)
    assert closed == {"HOME": "/dev/null", "XDG_CACHE_HOME": str(private)}


@pytest.mark.parametrize("blame", ["compiler", "folder"])
def test_what_a_pool_that_cannot_be_compiled_lacks(
    blame: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder is no help where there is no compiler."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if blame == "compiler":
        monkeypatch.setenv("CC", "no-such-compiler")
    else:
        monkeypatch.setattr(caches, "cache_folder", lambda: Path("/dev/null/mbc"))
    with pytest.raises(MbcError, match="E0605: the thread pool cannot be compiled") as caught:
        pool.Pool(2)
    helps = caught.value.diagnostics[0].helps
    assert ("XDG_CACHE_HOME" in "".join(helps)) == (blame == "folder")
