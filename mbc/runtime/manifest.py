"""manifest.json: what an output folder holds and how it was made.

It has neither dates nor paths, so that equal inputs give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any, TypeVar

from mbc.diag import error
from mbc.records import dataclass
from mbc.runtime.abi import PLANAR, IoSpec, NetSpec
from mbc.runtime.normalisation import Normalisation
from mbc.runtime.preprocessing import Preprocessing

FILE_NAME = "manifest.json"

T = TypeVar("T")


@dataclass(frozen=True)
class Manifest:
    """The content of manifest.json; its fields are written in this order. Sizes are in bytes."""

    network: str
    """Name of the network in its source."""
    name: str
    """Name in C and of the files."""
    build: str
    """Digest of the build, the end of every symbol."""
    parameters: Mapping[str, Any]
    """Parameters of the network by name."""
    weights: str
    """Origin of the weights."""
    weights_sha256: str
    """SHA-256 of the weights, in hexadecimal, if they are a separate file; else ""."""
    backend: str
    """Name of the backend."""
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
    macs: int
    """Multiply-adds of one inference."""
    params: int
    """Number of elements of all constants."""
    arena_bytes: int
    """Arena of one thread."""
    shared_bytes: int
    """Arena that several threads share."""
    scratch_bytes: int
    """Scratch of each of several threads."""
    weights_bytes: int
    """Size of the packed weights."""
    inputs: tuple[Mapping[str, Any], ...]
    """Name, shape and dtype of each input; layout NCHW of images whose channels come first; scale
    and zero point of quantised ones; what the network makes of bytes."""
    outputs: tuple[Mapping[str, Any], ...]
    """Those of each output."""
    check: Mapping[str, Any] | None
    """Seed and tolerance of the reference outputs; None without them."""
    preprocess: Mapping[str, Any] | None
    """Preprocessing of photos; None if not stated."""
    passes: tuple[str, ...]
    """Passes that were run, in order."""
    versions: Mapping[str, str]
    """Versions of mbc and its tools."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file, in hexadecimal, by name."""

    def to_json(self) -> str:
        """Format the text of the file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def tensors(spec: NetSpec) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
    """Return the manifest's entries for the inputs and for the outputs."""
    inputs, outputs = (tuple(map(_listed, side)) for side in (spec.inputs, spec.outputs))
    return inputs, outputs


def _listed(io: IoSpec) -> dict[str, Any]:
    scale = {} if io.scale is None else {"scale": io.scale, "zero_point": io.zero_point}
    layout = {"layout": PLANAR} if io.planar else {}
    made = {} if io.normalisation is None else {"normalize": io.normalisation.to_dict()}
    return {"name": io.name, "shape": list(io.shape), "dtype": io.dtype} | layout | scale | made


def digests(folder: Path) -> dict[str, str]:
    """Compute the SHA-256 of each file of a folder but the manifest, by name."""
    return {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name != FILE_NAME}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_files(folder: Path) -> set[str] | None:
    """Return the names in a folder's manifest, and that of the manifest; None without one."""
    try:
        manifest = json.loads((folder / FILE_NAME).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    match manifest:
        case {"versions": {"mbc": str()}, "files": {**files}}:
            return {FILE_NAME, *map(str, files)}
    return None


def read_inputs(path: Path) -> tuple[IoSpec, ...]:
    """Read the inputs listed in a manifest.json.

    Raises E0701 if it cannot be read, E0713 if it is not a manifest.
    """
    return _read(path, lambda manifest: io_specs(manifest["inputs"]))


def read_preprocessing(path: Path) -> Preprocessing | None:
    """Read the preprocessing of photos from a manifest.json; None if it states none.

    Raises E0701 if it cannot be read, E0713 if it is not a manifest.
    """
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
        raise error("E0713", f"{path} is not a manifest written by mbc compile") from None


def io_specs(listed: Iterable[Mapping[str, Any]]) -> tuple[IoSpec, ...]:
    """Parse a manifest's entries of inputs or outputs.

    Raises ValueError, TypeError or KeyError for entries of another form.
    """
    return tuple(map(_io_spec, listed))


def _io_spec(io: Mapping[str, Any]) -> IoSpec:
    scaled = (io["scale"], io["zero_point"]) if "scale" in io else ()
    spec = IoSpec(str(io["name"]), _shape(io["shape"]), io["dtype"], *scaled)
    made = Normalisation.from_dict(io["normalize"]) if "normalize" in io else None
    planar = io.get("layout") == PLANAR and len(spec.shape) == 4
    return replace(spec, planar=planar, normalisation=made)


def _shape(extents: object) -> tuple[int, ...]:
    if not isinstance(extents, list) or not all(type(e) is int and e > 0 for e in extents):
        raise ValueError("a shape is a list of positive integers")
    return tuple(extents)
