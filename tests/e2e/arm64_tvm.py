"""A folder with an arm64 Python and TVM's arm64 runtime, for qemu: no container, nothing mounted.

    python -m tests.e2e.arm64_tvm FOLDER

Debian's packages are extracted by mmdebstrap, wheels by zipfile. TVM's compiler, by far the largest
file, is left out: boards do without. Takes some 20 seconds and 200 MB.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from mbc.backends.tvm.require import PAIR, RPC_NEEDS

PACKAGES = (*PAIR, "numpy>=2,<3", "ml_dtypes", "typing_extensions", *RPC_NEEDS)
PYTHON, SUITE = "3.11", "bookworm"  # Debian 12 has this Python
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17")


def main() -> int:
    """Make the folder, whole or not at all."""
    folder = Path(sys.argv[1]).resolve()
    contents = folder / "packages.txt"
    if contents.exists() and contents.read_text().split() == [*PACKAGES]:
        return 0
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        root = Path(scratch) / "root"
        _debian(root)
        _wheels(root / "opt" / "site", Path(scratch) / "wheels")
        (root / contents.name).write_text("\n".join(PACKAGES))
        shutil.move(root, folder)
    return 0


def _debian(root: Path) -> None:
    options = ("--variant=extract", "--architectures=arm64", "--skip=check/qemu", "--quiet")
    command = ["mmdebstrap", *options, "--include=python3,libstdc++6", SUITE, str(root)]
    subprocess.run(command, check=True)


def _wheels(site: Path, downloads: Path) -> None:
    platforms = [word for name in PLATFORMS for word in ("--platform", f"{name}_aarch64")]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    what = ["--only-binary", ":all:", "--python-version", PYTHON, *platforms]
    subprocess.run([*pip, *what, "--dest", str(downloads), *PACKAGES], check=True)
    for wheel in sorted(downloads.glob("*.whl")):
        with zipfile.ZipFile(wheel) as file:
            names = (n for n in file.namelist() if not n.endswith("libtvm_compiler.so"))
            file.extractall(site, names)


def command(root: Path, cpu: str, *options: str) -> list[str]:
    """What runs the folder's Python under qemu, itself with these options."""
    site, python = root / "opt" / "site", root / "usr" / "bin" / f"python{PYTHON}"
    environment = ["-E", f"PYTHONPATH={site}", "-E", "TVM_USE_RUNTIME_LIB=1"]
    words = ["qemu-aarch64-static", "-cpu", cpu, *options, *environment]
    return [*words, "-L", str(root), str(python)]


def program(root: Path, cpu: str, path: Path) -> Path:
    """The same as a program that Python takes for itself, and so starts anew for its workers. It is
    not in its home then."""
    home = ["-E", f"PYTHONHOME={root / 'usr'}"]
    words = command(root, cpu, "-0", str(path), *home)
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)
    return path


if __name__ == "__main__":
    sys.exit(main())
