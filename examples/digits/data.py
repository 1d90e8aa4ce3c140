"""The handwritten digits: 1797 grey images of 8x8, a fifth of them held out of training.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998; the copy in scikit-learn. The held-out images are in heldout.npz beside this
file, so that testing needs no scikit-learn; run as a program, this module writes that file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).resolve().parent
HELD_OUT = FOLDER / "heldout.npz"
CALIBRATION = FOLDER / "calibration.npz"
CALIBRATING = 300  # training digits that mbc quantize measures ranges on
NETWORKS = ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1")
SPLIT_SEED = 1998  # of the permutation within each class that chooses the held-out images
SHARE = 0.2
MAGNIFIED = 4  # pixels of the network's input for one of the scan, along each axis


def weights_file(network: str) -> Path:
    """Return the file of a network's trained weights."""
    return FOLDER / "weights" / f"{network}.safetensors"


@dataclass(frozen=True)
class Digits:
    """Scans with labels."""

    scans: npt.NDArray[np.uint8]
    """Images u8[n,8,8] of 0 (paper) to 16 (ink)."""
    labels: npt.NDArray[np.uint8]
    """Digit u8[n] of each image."""

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self) -> npt.NDArray[np.float32]:
        """Convert to the networks' input, f32[n,32,32,1]: each pixel repeated 4x4, ink/8 - 1."""
        large = self.scans.repeat(MAGNIFIED, axis=1).repeat(MAGNIFIED, axis=2)
        return (large[..., None] / 8 - 1).astype(np.float32)

    def take(self, indices: npt.NDArray[np.intp]) -> Digits:
        """Select some of them, in the order of the indices."""
        return Digits(self.scans[indices], self.labels[indices])

    def split(self, share: float, seed: int) -> tuple[Digits, Digits]:
        """Split off a share of each class: returns the rest and that share, their order kept."""
        random = np.random.default_rng(seed)
        apart = np.zeros(len(self), bool)
        for digit in range(10):
            indices = random.permutation(np.flatnonzero(self.labels == digit))
            apart[indices[: round(share * len(indices))]] = True
        return self.take(np.flatnonzero(~apart)), self.take(np.flatnonzero(apart))


def load_all() -> Digits:
    """Load all 1797, in scikit-learn's order."""
    from sklearn.datasets import load_digits  # here, since the held-out digits do not need it

    bunch = load_digits()
    return Digits(bunch.images.astype(np.uint8), bunch.target.astype(np.uint8))


def training_digits() -> Digits:
    """Load the four fifths to train on."""
    return load_all().split(SHARE, SPLIT_SEED)[0]


def held_out_digits() -> Digits:
    """Load the fifth to test on, from heldout.npz."""
    with np.load(HELD_OUT) as arrays:
        return Digits(arrays["scans"], arrays["labels"])


def main() -> None:
    """Write heldout.npz, and calibration.npz with inputs as mbc quantize reads them."""
    rest, held_out = load_all().split(SHARE, SPLIT_SEED)
    np.savez_compressed(HELD_OUT, scans=held_out.scans, labels=held_out.labels)
    some = rest.take(np.arange(CALIBRATING) * len(rest) // CALIBRATING)
    np.savez_compressed(CALIBRATION, input=some.inputs(), labels=some.labels)


if __name__ == "__main__":
    main()
