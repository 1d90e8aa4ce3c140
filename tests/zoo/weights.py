"""State dicts of PyTorch, with PyTorch at hand: the reader bit for bit, and `--weights-from`.

    python -m tests.zoo.weights [--files DIR] [NAME ...]

needs torch, torchvision and timm. One row a network of a library: its weights by `--weights-from`
in our page, and the largest difference of the logits, of the largest one. Then the trained networks
by both ONNX exporters and torch.export, against the recorded probabilities. Then files of
`torch.save` in all types and both formats, and the `.pth` files in DIR.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mbc
from mbc.frontends.weights.stored import stored_tensors
from tests.e2e.support import single
from tests.example_networks import EXAMPLES
from tests.trained import EFFICIENTNET_LITE0, MOBILENET_V2, Trained
from tests.trained import TOLERANCE as PROBABILITY
from tests.zoo.libraries import module
from tests.zoo.ways import TOLERANCE, WAYS


@dataclass(frozen=True)
class Pair:
    """A library's network, and the page that computes the same."""

    source: str
    name: str
    page: str
    options: str = ""

    @property
    def params(self) -> dict[str, str]:
        """The page's parameters."""
        return dict(word.split("=") for word in self.options.split())


PAIRS = (
    Pair("torchvision", "mobilenet_v2", "mobilenet_v2"),
    Pair("torchvision", "mobilenet_v3_large", "mobilenet_v3"),
    Pair("torchvision", "mobilenet_v3_small", "mobilenet_v3", "variant=small"),
    Pair("torchvision", "shufflenet_v2_x0_5", "shufflenet_v2", "scale=0.5"),
    Pair("torchvision", "shufflenet_v2_x1_0", "shufflenet_v2"),
    Pair("torchvision", "efficientnet_b0", "efficientnet"),
    Pair("torchvision", "efficientnet_b1", "efficientnet", "variant=1"),
    Pair("torchvision", "mnasnet0_5", "mnasnet", "alpha=0.5"),
    Pair("torchvision", "mnasnet1_0", "mnasnet"),
    Pair("torchvision", "squeezenet1_1", "squeezenet"),
    Pair("torchvision", "lraspp_mobilenet_v3_large", "lraspp"),
    Pair("timm", "mobilenetv1_100", "mobilenet_v1"),
    Pair("timm", "mobilenetv2_100", "mobilenet_v2"),
    Pair("timm", "mobilenetv2_050", "mobilenet_v2", "alpha=0.5"),
    Pair("timm", "mobilenetv3_large_100", "mobilenet_v3"),
    Pair("timm", "mobilenetv3_small_100", "mobilenet_v3", "variant=small"),
    Pair("timm-tf", "tf_mobilenetv3_large_minimal_100", "mobilenet_v3", "minimalistic=true"),
    Pair(
        "timm-tf",
        "tf_mobilenetv3_small_minimal_100",
        "mobilenet_v3",
        "variant=small minimalistic=true",
    ),
    Pair("timm", "mobilenetv4_conv_small", "mobilenet_v4"),
    Pair("timm", "mobilenetv4_conv_medium", "mobilenet_v4", "variant=medium"),
    Pair("timm", "efficientnet_b0", "efficientnet"),
    Pair("timm-tf", "tf_efficientnet_b0", "efficientnet"),
    Pair("timm", "efficientnet_lite0", "efficientnet_lite"),
    Pair("timm", "efficientnet_lite1", "efficientnet_lite", "variant=1"),
    Pair("timm-tf", "tf_efficientnet_lite0", "efficientnet_lite"),
    Pair("timm", "mnasnet_100", "mnasnet"),
    Pair("timm", "ghostnet_100", "ghostnet"),
)


def difference(pair: Pair, folder: Path) -> float:
    """The largest difference of the logits, of the largest of them."""
    theirs = module(pair.source, pair.name)
    torch.save(theirs.state_dict(), folder / "net.pth")
    side, segments = 96, pair.page == "lraspp"
    net = mbc.compile(
        EXAMPLES / f"{pair.page}.py",
        params={**pair.params, "resolution": side} | ({} if segments else {"softmax": False}),
        weights=folder / "net.pth",
        weights_from=pair.source,
        level=1,
    )
    x = np.random.default_rng(0).uniform(-2, 2, (1, side, side, 3)).astype(np.float32)
    with torch.no_grad():
        answer = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    expected = answer["out"].permute(0, 2, 3, 1).numpy() if segments else answer.numpy()
    found = net(x)
    assert isinstance(found, np.ndarray)
    return float(abs(found - expected).max() / abs(expected).max())


# ---- trained networks ------------------------------------------------------------------------

MODULES = (
    (MOBILENET_V2, "torchvision", "mobilenet_v2"),
    (EFFICIENTNET_LITE0, "timm", "tf_efficientnet_lite0"),
)


def with_weights(network: Trained, library: str, name: str) -> Any:
    """The module with the trained weights, by their order: the package has names of its own."""
    made = module(library, name)
    weights = torch.load(network.weights, weights_only=True).values()
    state = dict(zip(made.state_dict(), weights, strict=True))
    made.load_state_dict(state)
    return torch.nn.Sequential(made, torch.nn.Softmax(1)).eval()


def trained_errors(network: Trained, made: Any, folder: Path) -> Iterator[tuple[str, float]]:
    """How far the probabilities are from the recorded ones, by each way."""
    photo = network.photo()
    x = torch.from_numpy(photo.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        yield "PyTorch", network.error(made(x).numpy())
    for name, way in WAYS.items():
        yield name, network.error(single(mbc.compile(way(made, x, folder)), photo))


# ---- the reader ------------------------------------------------------------------------------


def generated() -> Iterator[tuple[str, Any]]:
    """What training scripts save."""
    floats = torch.randn(3, 5, 7)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        yield str(dtype), {"a": floats.to(dtype), "b": floats.to(dtype).transpose(0, 2)[1:, :, ::2]}
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool):
        yield str(dtype), {"a": torch.randint(0, 2, (4, 3)).to(dtype)}
    linear = torch.nn.Linear(6, 6)
    yield "tied", OrderedDict(a=linear.weight, b=linear.weight, c=linear.weight.detach().T)
    yield "parameters", dict(linear.named_parameters())
    yield "nested", {"epoch": 3, "state_dict": linear.state_dict(), "optimizer": {"lr": 0.1}}
    yield "wrapped", torch.nn.DataParallel(torch.nn.Sequential(linear)).state_dict()
    yield "empty and scalar", {"a": torch.zeros(0, 3), "b": torch.tensor(2.5)}


def reader_problems(path: Path) -> list[str]:
    """Names of tensors that differ from what PyTorch reads, in a bit."""
    loaded = torch.load(path, weights_only=True)
    state = loaded.get("state_dict", loaded)
    names = {name: name.removeprefix("module.") for name in state}
    expected = {names[n]: t for n, t in state.items() if not n.endswith("num_batches_tracked")}
    found = stored_tensors(path).tensors
    wrong = sorted(found.keys() ^ expected.keys())
    return wrong + [n for n in found.keys() & expected.keys() if not same(found[n], expected[n])]


def same(stored: Any, tensor: Any) -> bool:
    """Whether all bits are the same; bfloat16 is widened to float32."""
    wide = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
    ours, theirs = stored.read(), wide.contiguous().numpy()
    return bool(
        (ours.shape, ours.dtype, ours.tobytes()) == (theirs.shape, theirs.dtype, theirs.tobytes())
    )


def files(folder: Path, given: Path | None) -> Iterator[tuple[str, Path]]:
    """Files to read, by what they are."""
    for label, value in generated():
        for form, zipped in (("zip", True), ("legacy", False)):
            path = folder / f"{form}.pth"
            torch.save(value, path, _use_new_zipfile_serialization=zipped)
            yield f"{label}, {form}", path
    for path in sorted(given.rglob("*.pth")) if given else ():
        yield path.name, path


def main(words: Sequence[str]) -> int:
    """Print both tables; 1 if anything differs."""
    parser = argparse.ArgumentParser("tests.zoo.weights")
    parser.add_argument("--files", type=Path, metavar="DIR", help="folder of further .pth files")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all)")
    args = parser.parse_args(words)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for pair in PAIRS:
            if args.names and pair.name not in args.names:
                continue
            error = difference(pair, Path(folder))
            failed += not error <= TOLERANCE
            print(f"{pair.source:12} {pair.name:34} {pair.page:18} {error:.1e}", flush=True)
        for network, *twin in () if args.names else MODULES:
            made = with_weights(network, *twin)
            for way, error in trained_errors(network, made, Path(folder)):
                failed += not error <= PROBABILITY
                print(f"{network.page}, trained, by {way}: {error:.1e}", flush=True)
        for label, path in files(Path(folder), args.files):
            wrong = reader_problems(path)
            failed += bool(wrong)
            print(f"{label}: {'differs: ' + ', '.join(wrong) if wrong else 'the same bits'}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
