"""`make zoo-quantised`: networks that onnxruntime has quantised, here on codes and in onnxruntime.

    python -m tests.zoo.quantised [--resolution N] [--images N] [--bits 7] [NAME ...]

One row a network and form: how many logits of seeded images have equal codes, and how many are how
far off. Fails where MobileNetV1 differs at all, and anything else by more than 3 steps.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import QuantFormat, QuantType

import mbc
from mbc.accuracy import Steps
from mbc.driver.export import onnx_model
from mbc.frontends.weights import initialise
from mbc.ir.elements import Q8
from tests.example_networks import Example
from tests.onnx_codes import imported_codes, on_integers, quantised

NETWORKS = ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1", "shufflenet_v2", "mobilenet_v4")
FORMS: Mapping[str, Mapping[str, Any]] = {
    "QDQ u8s8": {},
    "QDQ s8s8": {"activation_type": QuantType.QInt8},
    "QOperator u8s8": {"quant_format": QuantFormat.QOperator},
}
BITS = 8
"""Of weights; 7 for CPUs without VNNI, where onnxruntime's pairs of products saturate."""
SAMPLES = 8
MOST = 3


def drawn(count: int, resolution: int, seed: int) -> list[np.ndarray]:
    """Normally distributed images in ONNX's order."""
    rng = np.random.default_rng(seed)
    shape = 1, 3, resolution, resolution
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(count)]


def apart(name: str, form: Mapping[str, Any], resolution: int, images: int) -> Steps:
    """Quantise a network, compile it for this machine, and compare its logits."""
    graph = Example(name).graph(resolution=str(resolution), softmax="false")
    initialise(graph, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        samples = drawn(SAMPLES, resolution, 1)
        content = quantised(onnx_model(graph).data, samples, path, per_channel=True, **form)
        lowered, _, _, _ = imported_codes(content, path)
        net = mbc.compile(path / "net.onnx")
        xs = drawn(images, resolution, 2)
        found = [np.asarray(net(np.ascontiguousarray(x.transpose(0, 2, 3, 1)))) for x in xs]
        wanted = [on_integers(content, x) for x in xs]
    assert lowered.quantisation is not None
    element = [*lowered.quantisation.elements.values()][-1]
    assert isinstance(element, Q8)
    return Steps.of(np.stack(found), np.stack(wanted).reshape(np.stack(found).shape), element.scale)


def main(words: Sequence[str]) -> int:
    """Print the table; 1 if anything in it is marked."""
    parser = argparse.ArgumentParser("tests.zoo.quantised")
    parser.add_argument("--resolution", type=int, default=224, metavar="N")
    parser.add_argument("--images", type=int, default=4, metavar="N")
    parser.add_argument("--bits", type=int, choices=(7, 8), default=BITS)
    parser.add_argument("names", nargs="*", default=NETWORKS, metavar="NAME")
    args = parser.parse_args(words)
    failed = False
    for name in args.names:
        for form, wanted in FORMS.items():
            settings = {"reduce_range": args.bits < BITS, **wanted}
            found = apart(name, settings, args.resolution, args.images)
            wrong = found.most > (0 if name == "mobilenet_v1" else MOST)
            failed |= wrong
            print(f"{name:16}{form:16}{found}{'  !' * wrong}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
