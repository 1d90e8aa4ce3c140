"""manifest.json: what an output folder holds and how it came about.

It names neither dates nor paths, so that the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mbc.diag import error
from mbc.runtime.abi import IoSpec, NetSpec
from mbc.runtime.preprocessing import Preprocessing

FILE_NAME = "manifest.json"

T = TypeVar("T")


@dataclass(frozen=True)
class Manifest:
    """The contents of manifest.json, in the order in which it lists them."""

    network: str
    name: str
    build: str
    parameters: Mapping[str, Any]
    weights: str
    weights_sha256: str
    backend: str
    target: str
    triple: str
    cpu: str
    features: tuple[str, ...]
    gpu: str
    macs: int
    params: int
    arena_bytes: int
    shared_bytes: int
    scratch_bytes: int
    weights_bytes: int
    inputs: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]
    check: Mapping[str, Any] | None
    preprocess: Mapping[str, Any] | None
    passes: tuple[str, ...]
    versions: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def tensors(spec: NetSpec) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
    """Inputs and outputs as the manifest lists them."""
    inputs, outputs = (tuple(map(_listed, side)) for side in (spec.inputs, spec.outputs))
    return inputs, outputs


def _listed(io: IoSpec) -> dict[str, Any]:
    scale = {} if io.scale is None else {"scale": io.scale, "zero_point": io.zero_point}
    return {"name": io.name, "shape": list(io.shape), "dtype": io.dtype} | scale


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder, by name, the manifest itself left out."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != FILE_NAME
    }


def known_files(folder: Path) -> set[str] | None:
    """The files that the manifest of a folder vouches for, itself included; None without one."""
    try:
        manifest = json.loads((folder / FILE_NAME).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    match manifest:
        case {"versions": {"mbc": str()}, "files": {**files}}:
            return {FILE_NAME, *map(str, files)}
    return None


def read_inputs(path: Path) -> tuple[IoSpec, ...]:
    """The inputs that a manifest.json lists; E0701, or E0713 if it is no manifest."""
    return _read(path, lambda manifest: io_specs(manifest["inputs"]))


def read_preprocessing(path: Path) -> Preprocessing | None:
    """How a manifest.json says that photos are prepared, if it does; E0701 or E0713 likewise."""
    return _read(path, _preprocessing)


def _preprocessing(manifest: Mapping[str, Any]) -> Preprocessing | None:
    values = manifest.get("preprocess")
    return None if values is None else Preprocessing.from_dict(values)


def _read(path: Path, read: Callable[[Any], T]) -> T:
    try:
        return read(json.loads(path.read_bytes()))
    except OSError as problem:
        raise error("E0701", f"cannot read {path}: {problem.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise error("E0713", f"{path} is no manifest that mbc compile wrote") from None


def io_specs(listed: Iterable[Mapping[str, Any]]) -> tuple[IoSpec, ...]:
    """Inputs or outputs from how a manifest lists them; ValueError, TypeError or KeyError if they
    are not listed so."""
    return tuple(map(_io_spec, listed))


def _io_spec(io: Mapping[str, Any]) -> IoSpec:
    scaled = (io["scale"], io["zero_point"]) if "scale" in io else ()
    return IoSpec(str(io["name"]), _shape(io["shape"]), io["dtype"], *scaled)


def _shape(extents: object) -> tuple[int, ...]:
    if not isinstance(extents, list) or not all(type(e) is int and e > 0 for e in extents):
        raise ValueError("a shape is a list of positive integers")
    return tuple(extents)
