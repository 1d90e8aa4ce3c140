"""Find objects in a photo: run ssdlite.py, decode its boxes, and suppress those that overlap.

python examples/detection/detect.py photo.jpg --weights ssdlite.safetensors

Decoding is plain numpy, and takes the outputs of any build of the network. Anchors and their coding
are those of github.com/tensorflow/models, object_detection, ssdlite_mobilenet_v2_coco.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

import mbc
from mbc.cli.console import show_error
from mbc.diag import MbcError
from mbc.runtime.images import read_image
from mbc.runtime.preprocessing import Preprocessing

Floats: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.intp]

NETWORK = Path(__file__).with_name("ssdlite.py")
SIDE, MAPS = 320, 6
SCALES = (*np.linspace(0.2, 0.95, MAPS), 1.0)  # of the image's side
ASPECTS = (1.0, 2.0, 1 / 2, 3.0, 1 / 3)  # width by height
CODING = np.array([10, 10, 5, 5], np.float32)  # factors of y, x, height, width
OVERLAP = 0.6  # intersection over union beyond which the lesser box goes


def sizes_of_anchors(level: int) -> Iterator[tuple[float, float]]:
    """Yield height and width of each anchor of a cell; the first map has but three."""
    shapes = [(SCALES[level], aspect) for aspect in ASPECTS]
    shapes.append((float(np.sqrt(SCALES[level] * SCALES[level + 1])), 1.0))
    if level == 0:
        shapes = [(0.1, 1.0), (SCALES[0], 2.0), (SCALES[0], 0.5)]
    for scale, aspect in shapes:
        yield float(scale / np.sqrt(aspect)), float(scale * np.sqrt(aspect))


def anchors_of(level: int, rows: int, columns: int) -> Floats:
    """Return f32[rows*columns*anchors,4]: y and x of the centre, height, width, of the image's."""
    sizes = np.array(list(sizes_of_anchors(level)), np.float32)
    grid = np.mgrid[:rows, :columns].transpose(1, 2, 0)[:, :, None]
    centres = (grid + 0.5) / (rows, columns)
    anchors = np.empty((rows, columns, len(sizes), 4), np.float32)
    anchors[..., :2], anchors[..., 2:] = centres, sizes
    return anchors.reshape(-1, 4)


def decode(codes: Floats, anchors: Floats) -> Floats:
    """Return [n,4] boxes as top, left, bottom, right from their distances to the anchors."""
    shifts, logs = np.split(codes / CODING, 2, axis=-1)
    centres = shifts * anchors[:, 2:] + anchors[:, :2]
    halves = np.exp(logs) * anchors[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=-1)


def boxes_and_scores(outputs: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Join the six maps of one image: boxes [n,4], and the probabilities [n,classes]."""
    boxes, scores = [], []
    for i in range(MAPS):
        codes, logits = outputs[f"boxes{i}"], outputs[f"scores{i}"]
        anchors = anchors_of(i, *codes.shape[1:3])
        boxes.append(decode(codes.reshape(-1, 4), anchors))
        scores.append(logits.reshape(len(anchors), -1))
    odds = np.exp(-np.concatenate(scores), dtype=np.float32)
    return np.concatenate(boxes), np.reciprocal(1 + odds, dtype=np.float32)


def overlaps(box: Floats, others: Floats) -> Floats:
    """Return intersection over union of one box with each of the others."""
    starts, ends = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(ends - starts, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return np.asarray(common / (np.prod(box[2:] - box[:2]) + areas - common), np.float32)


def suppress(boxes: Floats, scores: Floats, overlap: float = OVERLAP) -> Indices:
    """Return the boxes, best first, that overlap no better one by more than `overlap`."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        order = rest[overlaps(boxes[best], boxes[rest]) <= overlap]
    return np.array(kept, np.intp)


def detections(
    outputs: Mapping[str, Floats], threshold: float, most: int = 100
) -> list[tuple[float, int, Floats]]:
    """Return score, class and box of what is found in one image, the most certain first.

    Class 0 is the background. Boxes are suppressed within a class.
    """
    boxes, scores = boxes_and_scores(outputs)
    found = []
    for kind in range(1, scores.shape[1]):
        (likely,) = np.nonzero(scores[:, kind] >= threshold)
        kept = likely[suppress(boxes[likely], scores[likely, kind])]
        found += [(float(scores[i, kind]), kind, boxes[i].clip(0, 1)) for i in kept]
    return sorted(found, key=lambda detection: -detection[0])[:most]


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is found in a photo; returns the exit status."""
    parser = argparse.ArgumentParser(description="Find objects in a photo.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--weights", type=Path, help="(default: drawn, which find nothing real)")
    parser.add_argument("--threshold", type=float, default=0.5, help="least probability (0.5)")
    args = parser.parse_args(argv)
    try:
        image = read_image(args.photo, SIDE, SIDE, how=Preprocessing("stretch"))
        outputs = mbc.compile(NETWORK, weights=args.weights).run({"input": image})
    except MbcError as problem:
        show_error(problem)
        return 1
    for score, kind, (top, left, bottom, right) in detections(outputs, args.threshold):
        print(f"{score:.2f}  class {kind:2}  {top:.3f} {left:.3f} {bottom:.3f} {right:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
