"""The example of detection decodes and suppresses boxes as it says, on boxes that we know."""

import numpy as np
import pytest

from mbc.examples.detection import detect
from mbc.examples.detection.detect import Floats
from mbc.frontends.dsl import load_network

MAPS = (20, 10, 5, 3, 2, 1)  # of an image of 320x320
CAT, CLASSES = 17, 91


def encode(boxes: Floats, anchors: Floats) -> Floats:
    """The inverse of `detect.decode`."""
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    shifts = (centres - anchors[:, :2]) / anchors[:, 2:]
    codes = np.concatenate([shifts, np.log(sizes / anchors[:, 2:])], axis=1) * detect.CODING
    return np.asarray(codes, np.float32)


def nothing_found() -> dict[str, Floats]:
    """Outputs of the network for an image in which there is nothing."""
    graph = load_network(detect.NETWORK).trace()
    outputs = zip(graph.output_names, graph.outputs, strict=True)
    return {name: np.full(value.type.shape, -9, np.float32) for name, value in outputs}


def test_there_are_as_many_anchors_as_the_network_has_boxes() -> None:
    outputs = nothing_found()
    for i, side in enumerate(MAPS):
        anchors = detect.anchors_of(i, side, side)
        assert outputs[f"boxes{i}"].size == anchors.size
        assert outputs[f"scores{i}"].size == len(anchors) * CLASSES
    assert sum(len(detect.anchors_of(i, side, side)) for i, side in enumerate(MAPS)) == 2034


def test_anchors_are_centred_in_their_cells() -> None:
    anchors = detect.anchors_of(4, 2, 2)
    assert np.allclose(anchors[::6, :2], [(0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)])
    scale, wider = 0.8, 0.8 * np.sqrt(2)
    assert np.allclose(anchors[:2, 2:], [(scale, scale), (scale / np.sqrt(2), wider)])
    assert np.allclose(anchors[5, 2:], np.sqrt(0.8 * 0.95))


def test_boxes_that_were_coded_are_decoded() -> None:
    rng = np.random.default_rng(0)
    anchors = detect.anchors_of(2, 5, 5)
    starts = rng.uniform(0, 0.5, (len(anchors), 2))
    boxes = np.concatenate([starts, starts + rng.uniform(0.1, 0.5, starts.shape)], axis=1)
    assert np.allclose(detect.decode(encode(boxes, anchors), anchors), boxes, atol=1e-5)


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ((0, 0, 1, 1), 1),
        ((0, 0.5, 1, 1.5), 1 / 3),
        ((0.25, 0.25, 0.75, 0.75), 1 / 4),
        ((1, 0, 2, 1), 0),
        ((3, 3, 4, 4), 0),
    ],
)
def test_overlap(other: tuple[float, ...], share: float) -> None:
    box = np.array([0, 0, 1, 1], np.float32)
    assert np.allclose(detect.overlaps(box, np.array([other], np.float32)), share)


def test_the_better_of_two_boxes_that_overlap_is_kept() -> None:
    boxes = np.array([(0, 0, 1, 1), (0, 0, 1, 0.9), (0, 2, 1, 3), (0, 0, 0.2, 0.2)], np.float32)
    scores = np.array([0.7, 0.9, 0.5, 0.6], np.float32)
    assert detect.suppress(boxes, scores).tolist() == [1, 3, 2]
    assert detect.suppress(boxes, scores, overlap=0.95).tolist() == [1, 0, 3, 2]
    assert detect.suppress(boxes[:0], scores[:0]).tolist() == []


def test_what_the_outputs_say_is_detected() -> None:
    outputs = nothing_found()
    box = np.array([0.2, 0.3, 0.6, 0.8], np.float32)
    for cell, logit in ((6 * 44, 3.0), (6 * 45, 2.0)):  # two neighbours see the same
        anchors = detect.anchors_of(1, 10, 10)
        outputs["boxes1"].reshape(-1, 4)[cell] = encode(box[None], anchors[[cell]])[0]
        outputs["scores1"].reshape(-1, CLASSES)[cell, CAT] = logit
    outputs["scores1"].reshape(-1, CLASSES)[0, 0] = 9  # the background
    ((score, kind, found),) = detect.detections(outputs, threshold=0.5)
    assert kind == CAT
    assert score == pytest.approx(1 / (1 + np.exp(-3)))
    assert np.allclose(found, box, atol=1e-5)
    assert detect.detections(outputs, threshold=0.99) == []
