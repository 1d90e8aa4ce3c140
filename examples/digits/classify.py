"""Classify the held-out digits with a trained network, and report its accuracy.

python examples/digits/classify.py mobilenet_v1                          # compile for this machine
python examples/digits/classify.py mobilenet_v1 --binary DIR [--emulate] # what mbc compile wrote
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import mbc
from mbc.cli.console import show_error
from mbc.diag import MbcError
from mbc.driver.request import BackendName
from mbc.examples.digits.data import FOLDER, NETWORKS, Digits, held_out_digits, weights_file

Floats: TypeAlias = npt.NDArray[np.float32]
Decisions: TypeAlias = npt.NDArray[np.intp]

DEFAULT_BATCH = 40
EMULATORS = {  # by the first word of the triple
    "aarch64": ("qemu-aarch64-static", "-cpu", "cortex-a53"),
    "armv7a": ("qemu-arm-static", "-cpu", "cortex-a7"),
}


@dataclass(frozen=True)
class Classifier:
    """A network that scores images."""

    description: str
    """What runs, for the report."""
    batch: int
    """Images that it takes at a time."""
    scores: Callable[[Floats], Floats]
    """Computes scores f32[batch,10] from images f32[batch,32,32,1]."""

    def decisions(self, digits: Digits) -> Decisions:
        """Return the digit with the highest score of each scan; blank images pad the last batch."""
        images = digits.inputs()
        missing = -len(images) % self.batch
        images = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)), constant_values=-1)
        scores = [self.scores(part) for part in np.split(images, len(images) // self.batch)]
        decisions: Decisions = np.concatenate(scores).argmax(axis=1)
        return decisions[: len(digits)]


class CannotRunError(Exception):
    """An executable cannot be used, for the reason given."""


def in_process(
    network: str, batch: int = DEFAULT_BATCH, backend: BackendName = "llvm"
) -> Classifier:
    """Compile a network for this machine, or evaluate it with the numpy oracle."""
    net = mbc.compile(
        FOLDER / f"{network}.py", batch=batch, weights=weights_file(network), backend=backend
    )
    description = f"{network}, in process ({backend}), batch {batch}"
    return Classifier(description, batch, lambda images: net.run({"input": images})["output"])


def executable(network: str, folder: Path, *, emulate: bool = False) -> Classifier:
    """Use the executable in a folder written by `mbc compile`; raises CannotRunError."""
    manifest = read_manifest(folder, network)
    command = [*emulator(manifest["triple"])] if emulate else []
    command.append(str(folder.resolve() / network))
    batch = manifest["inputs"][0]["shape"][0]
    how = f" under {command[0]}" if emulate else ""
    description = f"{network} for {manifest['target']}{how}, batch {batch}, {manifest['weights']}"
    return Classifier(description, batch, lambda images: run_program(command, images))


def read_manifest(folder: Path, network: str) -> Mapping[str, Any]:
    """Read the manifest.json of a folder; raises CannotRunError unless it has the network."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise CannotRunError(f"{folder} was not written by mbc compile: {problem}") from None
    if manifest.get("network") != network:
        raise CannotRunError(f"{folder} holds {manifest.get('network')}, not {network}")
    return manifest


def emulator(triple: str) -> Sequence[str]:
    """Return the command that emulates another machine; raises CannotRunError without one."""
    architecture = triple.partition("-")[0]
    if architecture not in EMULATORS:
        known = ", ".join(EMULATORS)
        raise CannotRunError(f"--emulate knows no emulator of {architecture}, only of {known}")
    return EMULATORS[architecture]


def run_program(command: Sequence[str], images: Floats) -> Floats:
    """Run a program on images and return its scores; both are passed as .npy files."""
    with tempfile.TemporaryDirectory(prefix="digits-") as folder:
        source, result = Path(folder) / "images.npy", Path(folder) / "scores.npy"
        np.save(source, images)
        files = ("--input", str(source), "--output", str(result))
        try:
            subprocess.run([*command, *files], check=True, capture_output=True, text=True)
        except OSError as problem:
            raise CannotRunError(f"cannot run {command[0]}: {problem.strerror}") from None
        except subprocess.CalledProcessError as problem:
            raise CannotRunError(f"{problem}\n{problem.stderr}") from None
        scores: Floats = np.load(result)
        return scores


def report(digits: Digits, found: Decisions) -> str:
    """Format the accuracy, and the digits that were confused."""
    pairs = zip(digits.labels.tolist(), found.tolist(), strict=True)
    confused = Counter((shown, taken) for shown, taken in pairs if shown != taken)
    right = len(digits) - confused.total()
    lines = [f"accuracy {right / len(digits):.2%} ({right} of {len(digits)})"]
    lines += [f"{confused.total()} confused"]
    lines += [f"  {shown} taken for {taken}: {n}" for (shown, taken), n in sorted(confused.items())]
    return "\n".join(lines)


def make_classifier(argv: Sequence[str] | None) -> Classifier:
    """Make the classifier that the command line describes."""
    parser = argparse.ArgumentParser(description="Classify the held-out handwritten digits.")
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--binary", type=Path, metavar="DIR", help="run the executable in DIR")
    parser.add_argument("--emulate", action="store_true", help="run it under qemu")
    parser.add_argument("--batch", type=int, metavar="N", help=f"(default: {DEFAULT_BATCH})")
    parser.add_argument("--backend", choices=("llvm", "oracle"), help="(default: llvm)")
    args = parser.parse_args(argv)
    if args.binary:
        if args.batch is not None or args.backend:
            parser.error("--batch and --backend were settled when the binary was compiled")
        return executable(args.network, args.binary, emulate=args.emulate)
    if args.emulate:
        parser.error("--emulate needs --binary")
    batch = DEFAULT_BATCH if args.batch is None else args.batch
    return in_process(args.network, batch, args.backend or "llvm")


def main(argv: Sequence[str] | None = None) -> int:
    """Classify and report; returns the exit status."""
    try:
        classifier = make_classifier(argv)
        digits = held_out_digits()
        found = classifier.decisions(digits)
    except CannotRunError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except MbcError as problem:
        show_error(problem)
        return 1
    print(classifier.description)
    print(report(digits, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
