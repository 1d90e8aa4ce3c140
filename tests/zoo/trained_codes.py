"""Trained networks on 8-bit codes beside the same in float, of the photo; part of `make trained`.

    python -m tests.zoo.trained_codes [--method minmax|mse] [--weight-bits 8|7] [--bias-correction]

The ranges are those of crops of that photo, some mirrored or darker: one photo is all there is. So
the figures say what rounding costs, not how well a network recognises what it was not measured on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import mbc as api
from tests.e2e.support import CAT
from tests.trained import NETWORKS, SIDE, Trained

CROPS = 32
LEAST_COSINE = 0.995


@dataclass(frozen=True)
class Outcome:
    """Logits of the photo in float and on codes."""

    network: Trained
    real: np.ndarray
    codes: np.ndarray

    @property
    def decibels(self) -> float:
        """Signal to noise."""
        return float(10 * np.log10(np.sum(self.real**2) / np.sum((self.real - self.codes) ** 2)))

    @property
    def cosine(self) -> float:
        """Of the angle between both."""
        return float(self.real @ self.codes / np.sqrt((self.real**2).sum() * (self.codes**2).sum()))

    @property
    def winners(self) -> tuple[tuple[int, float], ...]:
        """The class of the largest logit and its probability, in float and on codes."""
        return winner(self.real), winner(self.codes)

    @property
    def holds(self) -> bool:
        """Whether codes see the cat that floats see."""
        (real, _), (codes, _) = self.winners
        return codes == real and self.cosine >= LEAST_COSINE


def winner(logits: np.ndarray) -> tuple[int, float]:
    """The class of the largest logit, and its probability."""
    powers = np.exp(logits - logits.max())
    return int(logits.argmax()), float(powers.max() / powers.sum())


def crops(network: Trained) -> np.ndarray:
    """Parts of the photo as the network reads them: of 40 to 100 % of its height, half of them
    mirrored, from darker to lighter."""
    photo, draw = Image.open(CAT).convert("RGB"), np.random.default_rng(0)
    mean, std = (np.array(numbers, np.float32) for numbers in (network.mean, network.std))
    found = []
    for number in range(CROPS):
        side = int(min(photo.size) * draw.uniform(0.4, 1))
        left, top = (int(draw.integers(0, extent - side + 1)) for extent in photo.size)
        part = photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), network.filter)
        values = np.asarray(part, np.float32) * np.float32(draw.uniform(0.6, 1.2) / 255)
        values = values[:, ::-1] if number % 2 else values
        found.append((np.clip(values, 0, 1) - mean) / std)
    return np.stack(found)


def outcome(network: Trained, folder: Path, how: Mapping[str, object]) -> Outcome:
    """Quantise a network, and run both."""
    ranges, samples = folder / f"{network.page}.q", folder / f"{network.page}.npz"
    np.savez(samples, input=crops(network))
    params = {"softmax": False}
    weights, library = network.weights, network.library
    api.quantize(
        network.source,
        ranges,
        inputs=samples,
        params=params,
        weights=weights,
        weights_from=library,
        **how,  # type: ignore[arg-type]
    )
    logits = []
    for quantize in (None, ranges):
        net = api.compile(
            network.source,
            params=params,
            weights=weights,
            weights_from=library,
            quantize=quantize,
        )
        found = net(network.photo())
        assert isinstance(found, np.ndarray)
        logits.append(found.ravel().astype(np.float64))
    return Outcome(network, logits[0], logits[1])


def table(how: Mapping[str, object]) -> bool:
    """Print a row for each network; whether all hold."""
    good = True
    print("on codes".ljust(20), *(h.rjust(9) for h in ("dB", "cosine", "float", "", "codes", "")))
    with tempfile.TemporaryDirectory() as folder:
        for network in NETWORKS:
            found = outcome(network, Path(folder), how)
            good &= found.holds
            cells = [f"{found.decibels:.1f}", f"{found.cosine:.4f}"]
            cells += [cell for at, share in found.winners for cell in (str(at), f"{share:.3f}")]
            mark = "" if found.holds else "!"
            print(network.page.ljust(20), *(cell.rjust(9) for cell in cells), mark, flush=True)
    return good


def main(words: Sequence[str]) -> int:
    """Print the table; 1 if anything in it is marked."""
    parser = argparse.ArgumentParser("tests.zoo.trained_codes")
    parser.add_argument("--method", default="minmax")
    parser.add_argument("--weight-bits", type=int, default=8)
    parser.add_argument("--bias-correction", action="store_true")
    return int(not table(vars(parser.parse_args(words))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
