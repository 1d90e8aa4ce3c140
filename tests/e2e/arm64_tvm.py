"""A folder with an arm64 Python and TVM's arm64 runtime, for qemu: no container, nothing mounted.

    python -m tests.e2e.arm64_tvm FOLDER

Debian's packages are extracted by mmdebstrap, wheels by zipfile. TVM's compiler, by far the largest
file, is left out: boards do without. Takes some 20 seconds and 200 MB.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from mbc.backends.tvm.require import PAIR

PACKAGES = (*PAIR, "numpy>=2,<3", "ml_dtypes", "typing_extensions")
PYTHON, SUITE = "3.11", "bookworm"  # Debian 12 has this Python
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17")


def main() -> int:
    """Make the folder, whole or not at all."""
    folder = Path(sys.argv[1]).resolve()
    if folder.exists():
        return 0
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        root = Path(scratch) / "root"
        _debian(root)
        _wheels(root / "opt" / "site", Path(scratch) / "wheels")
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


def command(root: Path, cpu: str) -> list[str]:
    """What runs the folder's Python under qemu."""
    site, python = root / "opt" / "site", root / "usr" / "bin" / f"python{PYTHON}"
    environment = ["-E", f"PYTHONPATH={site}", "-E", "TVM_USE_RUNTIME_LIB=1"]
    return ["qemu-aarch64-static", "-cpu", cpu, *environment, "-L", str(root), str(python)]


if __name__ == "__main__":
    sys.exit(main())
