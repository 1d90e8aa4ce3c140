"""Read an output folder back: its manifest, with every field checked, and its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mbc.diag import Diagnostic, MbcError, error
from mbc.records import dataclass
from mbc.runtime.abi import NetSpec
from mbc.runtime.manifest import FILE_NAME, io_specs


@dataclass(frozen=True)
class Bundle:
    """An output folder, as its manifest describes it."""

    folder: Path
    """The folder."""
    spec: NetSpec
    """The C interface."""
    target: str
    """Name of the target."""
    triple: str
    """Target triple of LLVM."""
    cpu: str
    """CPU name of LLVM."""
    features: tuple[str, ...]
    """CPU features."""
    gpu: str
    """Name of the GPU; "" if there is none."""
    files: Mapping[str, str]
    """SHA-256 of each file, in hexadecimal, by name."""
    seed: int | None
    """Seed of the inputs of the reference outputs; None if the folder has none."""
    tolerance: float
    """Relative tolerance of the reference outputs."""

    def path(self, name: str) -> Path | None:
        """Return the path of a file; None if the manifest does not list it."""
        return self.folder / name if name in self.files else None


def read_bundle(folder: Path) -> Bundle:
    """Read the manifest of a folder.

    Raises E0701 if there is none, E0713 for one that mbc did not write.
    """
    path = folder / FILE_NAME
    try:
        manifest = json.loads(path.read_bytes())
        _refuse_older(path, manifest)
        return _bundle(folder, manifest)
    except OSError as problem:
        raise error(
            "E0701",
            f"cannot read {path}: {problem.strerror}",
            helps=["name a folder that mbc compile made"],
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise error("E0713", f"{path} is not a manifest written by mbc compile") from None


def _refuse_older(path: Path, manifest: dict[str, Any]) -> None:
    """Raise E0713 for a folder from before builds had digests: its C interface differs."""
    if "versions" in manifest and "build" not in manifest:
        raise error(
            "E0713",
            f"{path} was written by an older mbc, with another C interface",
            helps=["compile the network again"],
        )


def _bundle(folder: Path, manifest: dict[str, Any]) -> Bundle:
    check = manifest["check"] or {"seed": None, "tolerance": 0.0}
    seed, tolerance = check["seed"], float(check["tolerance"])
    if seed is not None and not isinstance(seed, int):
        raise ValueError("a seed is a number")
    return Bundle(
        folder=folder,
        spec=_spec(manifest),
        target=str(manifest["target"]),
        triple=str(manifest["triple"]),
        cpu=str(manifest["cpu"]),
        features=tuple(map(str, manifest["features"])),
        gpu=str(manifest.get("gpu", "")),
        files={_plain(name): str(digest) for name, digest in manifest["files"].items()},
        seed=seed,
        tolerance=tolerance,
    )


def _spec(manifest: dict[str, Any]) -> NetSpec:
    return NetSpec(
        name=manifest["name"],
        inputs=io_specs(manifest["inputs"]),
        outputs=io_specs(manifest["outputs"]),
        arena_bytes=int(manifest["arena_bytes"]),
        shared_bytes=int(manifest["shared_bytes"]),
        scratch_bytes=int(manifest["scratch_bytes"]),
        weights_bytes=int(manifest["weights_bytes"]),
        weights_sha256=bytes.fromhex(manifest["weights_sha256"]),
        build=str(manifest["build"]),
    )


def _plain(name: str) -> str:
    """Check that a file name has no folder part."""
    if Path(name).name != name:
        raise ValueError(f"{name} is not a plain file name")
    return name


def check_files(bundle: Bundle) -> None:
    """Raise E0720 for each file that is missing or differs from its digest in the manifest."""
    problems = tuple(Diagnostic("E0720", problem) for problem in _changes(bundle))
    if problems:
        raise MbcError(*problems)


def _changes(bundle: Bundle) -> Iterator[str]:
    for name, wanted in bundle.files.items():
        path = bundle.folder / name
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as problem:
            yield f"{path} cannot be read: {problem.strerror}"
            continue
        if found != wanted:
            yield f"{path} is not the file of the manifest: SHA-256 {found}, expected {wanted}"
