"""What a network is calibrated on: photos of a folder, arrays of a file, or random numbers."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mbc.diag import MbcError, error
from mbc.records import dataclass
from mbc.runtime.abi import IoSpec
from mbc.runtime.inputs import read_photo
from mbc.runtime.preprocessing import Preprocessing

PHOTOS = (".png", ".jpg", ".jpeg", ".ppm", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MOST_SAMPLES = 256
"""How many are taken where nobody says."""
RANDOM_SAMPLES = 16
LABELS = "labels"
"""The array of a file that holds the right winners."""

Inputs: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Samples:
    """Inputs of a network, one after the other."""

    inputs: Sequence[Inputs]
    source: str
    """images, arrays or random."""
    labels: Sequence[int] | None = None
    """The right winner of each image, where it is known."""
    preprocessing: str = ""


def of_folder(
    folder: Path,
    specs: Sequence[IoSpec],
    how: Preprocessing,
    most: int | None,
    on_sample: Callable[[], None] = lambda: None,
) -> Samples:
    """Read photos, spread evenly over the folder. Subfolders are classes: by their numbers if all
    have some, else in the order of their names. Raises E0554 without photos, E0106 for several
    inputs, and the errors of `read_photo`."""
    if len(specs) != 1:
        raise error("E0106", f"--images is for networks with one input, this one has {len(specs)}")
    files = _photos(folder)
    chosen = [files[i] for i in spread(len(files), most)]
    (spec,), read = specs, list[Inputs]()
    for path in chosen:
        read.append({spec.name: read_photo(path, spec, how)})
        on_sample()
    return Samples(read, "images", _classes(folder, files, chosen), str(how))


def _photos(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise error("E0701", f"cannot read {folder}: it is no folder")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTOS)
    if not files:
        raise error("E0554", f"{folder} has no photos", helps=[f"of {', '.join(sorted(PHOTOS))}"])
    return files


def require_labels(folder: Path) -> None:
    """Raise E0554 for a folder whose photos have no classes."""
    files = _photos(folder)
    if _classes(folder, files, files) is None:
        helps = ["its subfolders are classes: by their numbers, or in the order of their names"]
        raise error("E0554", f"the photos of {folder} have no labels", helps=helps)


def spread(count: int, most: int | None) -> list[int]:
    """Return some of the numbers below `count`, evenly spread."""
    wanted = min(count, most or MOST_SAMPLES)
    return [i * count // wanted for i in range(wanted)]


def _classes(folder: Path, files: Sequence[Path], chosen: Sequence[Path]) -> list[int] | None:
    if any(path.parent == folder for path in files):
        return None
    names = sorted({_class(folder, path) for path in files})
    numbered = all(name.isascii() and name.isdigit() for name in names)
    place = {name: int(name) if numbered else i for i, name in enumerate(names)}
    return [place[_class(folder, path)] for path in chosen]


def _class(folder: Path, path: Path) -> str:
    return path.relative_to(folder).parts[0]


def of_file(path: Path, specs: Sequence[IoSpec], most: int | None) -> Samples:
    """Read arrays [samples, …] of a .npz or .npy file: by the names of the inputs, or the only one
    for the only input. `labels` holds the right winners. Raises E0701, E0704, E0710."""
    arrays = _arrays(path)
    labels = None if LABELS in {spec.name for spec in specs} else arrays.pop(LABELS, None)
    if len(specs) == len(arrays) == 1:
        arrays = {specs[0].name: next(iter(arrays.values()))}
    parts = {spec.name: _parts(path, spec, arrays) for spec in specs}
    counts = {len(part) for part in parts.values()}
    if len(counts) != 1:
        raise error("E0710", f"{path}: the inputs have different numbers of samples: {counts}")
    chosen = spread(count := counts.pop(), most)
    inputs = [{name: part[i] for name, part in parts.items()} for i in chosen]
    batch = {spec.shape[0] for spec in specs}
    if labels is None or batch != {1} or labels.shape != (count,):
        return Samples(inputs, "arrays")
    return Samples(inputs, "arrays", [int(labels[i]) for i in chosen])


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"": found}
            return {name: found[name] for name in found.files}
    except OSError as problem:
        if problem.strerror is None:
            raise _broken(path) from None
        raise error("E0701", f"cannot read {path}: {problem.strerror}") from None
    except DAMAGE:
        raise _broken(path) from None


DAMAGE = (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What numpy raises for files that hold no arrays."""


def _broken(path: Path) -> MbcError:
    return error("E0704", f"{path} is damaged, or no .npz or .npy file")


def _parts(path: Path, spec: IoSpec, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the samples of an input, [samples, …] or [samples, batch, …]."""
    found = arrays.get(spec.name)
    if found is None:
        known = ", ".join(arrays) or "nothing"
        raise error("E0710", f"{path} has no array {spec.name} (it has {known})")
    batch, *rest = spec.shape
    if found.dtype.kind not in "fiu":
        raise error("E0710", f"{path}: {spec.name} holds {found.dtype}, no numbers")
    if list(found.shape[1:]) == rest and found.shape[0] % batch == 0 and len(found):
        found = found.reshape(-1, *spec.shape)
    if list(found.shape[1:]) != list(spec.shape) or not len(found):
        expected = ["samples", *spec.shape[1:]]
        raise error(
            "E0710",
            f"{path}: {spec.name} has the shape {list(found.shape)}, expected "
            f"[{', '.join(map(str, expected))}]",
        )
    return [sample.astype(np.float32) for sample in found]


def at_random(specs: Sequence[IoSpec], most: int | None, seed: int = 0) -> Samples:
    """Draw normally distributed numbers."""
    random = np.random.default_rng(seed)
    inputs = [
        {spec.name: random.standard_normal(spec.shape, np.float32) for spec in specs}
        for _ in range(most or RANDOM_SAMPLES)
    ]
    return Samples(inputs, "random")
