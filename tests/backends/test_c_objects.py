"""Objects of mbc's own C sources: compiled once for what they depend on, and not too many kept."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from mbc.backends.llvm import c_objects
from mbc.backends.llvm.toolchain import LinkError, LinkTarget, UserCompiler, Zig

X86_64, AARCH64 = LinkTarget("x86_64-linux-musl"), LinkTarget("aarch64-linux-musl")


class Compilations:
    """A stand-in for a compiler: its objects are the words of its command."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.folder, self.zig = 0, folder, Zig(folder / "zig")
        (folder / "other").mkdir()
        self.source, self.header = folder / "main.c", folder / "other" / "net.h"
        self.source.write_text('#include <stdio.h>\n  # include "net.h"\n')
        self.header.write_text('#include "net.h"\n#include "absent.h"\n')
        monkeypatch.setattr(c_objects, "call_tool", self._call)

    def _call(self, toolchain: object, command: Sequence[str], scratch: Path) -> None:
        self.count += 1
        Path(command[-1]).write_text(" ".join(command))

    def compiled(self, target: LinkTarget = X86_64) -> str:
        folder = self.folder / "scratch"
        folder.mkdir(exist_ok=True)
        headers = [self.header.parent]
        return c_objects.compiled(self.source, headers, target, self.zig, folder).read_text()

    @property
    def kept(self) -> list[Path]:
        return sorted((self.folder / "zig" / "mbc-objects").iterdir())


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compilations:
    return Compilations(tmp_path, monkeypatch)


def test_an_object_is_compiled_once(tried: Compilations) -> None:
    first = tried.compiled()
    assert tried.compiled() == first
    assert tried.count == 1
    assert [path.suffix for path in tried.kept] == [".o"]


@pytest.mark.parametrize("changed", ["source", "header", "target"])
def test_what_it_depends_on_makes_another(tried: Compilations, changed: str) -> None:
    tried.compiled()
    if changed != "target":
        path = getattr(tried, changed)
        path.write_text(path.read_text() + "\n")
    tried.compiled(AARCH64 if changed == "target" else X86_64)
    assert tried.count == 2
    assert len(tried.kept) == 2


def test_those_not_used_for_longest_are_removed(
    tried: Compilations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c_objects, "MOST_KEPT", 2)
    tried.compiled()
    (first,) = tried.kept
    tried.compiled(AARCH64)
    for path in tried.kept:
        os.utime(path, (1, 1))
    tried.compiled()  # which uses the first again
    tried.compiled(LinkTarget("arm-linux-musleabihf"))
    assert tried.count == 3
    assert len(tried.kept) == 2
    assert first in tried.kept


def test_a_compiler_of_the_users_keeps_none(tried: Compilations) -> None:
    assert UserCompiler(("cc",)).object_cache() is None
    assert Zig().object_cache() is not None


def test_a_source_that_is_wrong_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return nonsense; }\n")
    zig = Zig(tmp_path / "zig")
    with pytest.raises(LinkError, match=r"E0602: (.|\n)*undeclared identifier"):
        c_objects.compiled(tmp_path / "main.c", [], X86_64, zig, tmp_path)
    assert not (tmp_path / "zig" / "mbc-objects").exists()
