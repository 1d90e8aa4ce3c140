"""Train the networks of this folder and write their weights.

    python examples/digits/train.py                    # all three, some seconds each
    python examples/digits/train.py mobilenet_v1 --fold 0

A fold sets aside a quarter of the training digits, reports on them, and writes nothing. Networks
and recipe were chosen by folds, without the held-out digits. Seeds are fixed; another CPU or
version of PyTorch rounds differently, and therefore trains other weights.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mbc.examples.digits.data import (
    FOLDER,
    NETWORKS,
    Digits,
    held_out_digits,
    training_digits,
    weights_file,
)
from mbc.examples.digits.twin import Twin
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import save_weights
from mbc.interp import run
from mbc.ir.graph import Graph

FOLD_SHARE = 0.25
ROUNDING = 1e-4  # allowed difference of twin and oracle, relative to the largest score


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW, one cycle of the learning rate, smoothed labels, warped images."""

    epochs: int = 40
    batch: int = 64
    rate: float = 0.01
    """Highest learning rate of the cycle."""
    decay: float = 0.05
    """AdamW's weight decay."""
    smoothing: float = 0.1
    """Label smoothing of the loss."""
    seed: int = 0


def main() -> None:
    """Train the networks that the command line names."""
    parser = argparse.ArgumentParser(description="Train networks on the handwritten digits.")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--fold", type=int, metavar="SEED", help="judge the recipe, write nothing")
    args = parser.parse_args()
    if unknown := set(args.networks) - set(NETWORKS):
        parser.error(f"there is no network {', '.join(sorted(unknown))}")
    training, judging = training_digits(), held_out_digits()
    if args.fold is not None:
        training, judging = training.split(FOLD_SHARE, args.fold)
    torch.set_num_threads(1)
    for name in args.networks or NETWORKS:
        graph = train(name, training, judging, Recipe())
        if args.fold is None:
            save_weights(graph, weights_file(name))


def train(name: str, training: Digits, judging: Digits, recipe: Recipe) -> Graph:
    """Train a network and return its graph, of which the digits for judging are one batch."""
    torch.manual_seed(recipe.seed)
    network = load_network(FOLDER / f"{name}.py")
    twin = Twin(network.trace({"softmax": False}, batch=len(judging)))
    teach(twin, training, recipe)
    twin.bind_weights()
    scores = run(twin.graph, {"input": judging.inputs()})["output"]
    check_twin(twin, judging, scores)
    right = int((scores.argmax(axis=1) == judging.labels).sum())
    print(f"{name}: {right} of {len(judging)} right, {right / len(judging):.2%}", flush=True)
    return twin.graph


def teach(twin: Twin, digits: Digits, recipe: Recipe) -> None:
    """Fit a twin's weights to the digits."""
    images, labels = images_of(digits), torch.from_numpy(digits.labels.astype(np.int64))
    parameters = list(twin.learned.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.decay)
    steps = recipe.epochs * (len(digits) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=steps)
    twin.learned.train()
    for chosen in batches(len(digits), recipe):
        scores = twin(warped(images[chosen]))
        loss = functional.cross_entropy(scores, labels[chosen], label_smoothing=recipe.smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def batches(count: int, recipe: Recipe) -> Iterator[Tensor]:
    """Yield the indices of each step's images; an incomplete batch is dropped."""
    for _ in range(recipe.epochs):
        order = torch.randperm(count)
        yield from order[: count // recipe.batch * recipe.batch].split(recipe.batch)


def warped(images: Tensor) -> Tensor:
    """Rotate, shear, stretch and shift each image a little, with paper around it."""

    def within(limit: float) -> Tensor:
        return torch.empty(len(images)).uniform_(-limit, limit)

    angle, shear = within(math.radians(10)), within(0.1)
    rows = [
        [(1 + within(0.1)) * angle.cos(), shear - angle.sin(), within(0.1)],
        [angle.sin(), (1 + within(0.1)) * angle.cos(), within(0.1)],
    ]
    maps = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    # What lies outside is 0 to grid_sample; paper is -1.
    return functional.grid_sample(images + 1, grid, align_corners=False) - 1


def images_of(digits: Digits) -> Tensor:
    """Return the networks' input in PyTorch's order: f32[n,1,32,32]."""
    return torch.from_numpy(digits.inputs()).permute(0, 3, 1, 2)


def check_twin(twin: Twin, digits: Digits, scores: np.ndarray) -> None:
    """Check that twin and graph agree, so that the learned weights fit; raises ValueError."""
    twin.learned.eval()
    with torch.no_grad():
        expected = twin(images_of(digits)).numpy()
    difference = np.abs(scores - expected).max() / np.abs(expected).max()
    if not difference <= ROUNDING:
        raise ValueError(f"twin and oracle differ by {difference:.1e}, at most {ROUNDING}")


if __name__ == "__main__":
    main()
