"""Packed weights of the GEMM core: [group][panel][bias, chunks, slopes].

A chunk has the weights of as many k-steps as the unit with most of them takes at a time: of one in
most panels, and then each k-step is a row of the panel's columns. Else vectors lie in the order in
which tiles read them: for all units that take one k-step those of each step, then those of units
that take more. The last chunk of a run may have fewer k-steps; what is missing is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_units import Panel, Unit, by_steps, chunk_steps, columns_of, is_split


def pack(
    gemm: Gemm, weight: np.ndarray, bias: np.ndarray, slope: np.ndarray | None = None
) -> np.ndarray:
    """Pack the panels of all groups. `weight` is [groups, k, columns], k in run order; `bias` and
    `slope` are [groups, columns]."""
    edges = [0, *accumulate(map(columns_of, gemm.units))]
    packed = list[np.ndarray]()
    for group, runs in enumerate(gemm.groups):
        for panel, (start, stop) in zip(gemm.units, pairwise(edges), strict=True):
            own = None if slope is None else slope[group, start:stop]
            parts = (weight[group, :, start:stop], bias[group, start:stop], own)
            packed.append(_pack_panel(gemm, panel, runs, *parts))
    return np.concatenate(packed, dtype=gemm.isa.element.numpy, casting="unsafe")


def _pack_panel(
    gemm: Gemm,
    panel: Panel,
    runs: tuple[Run, ...],
    weight: np.ndarray,
    bias: np.ndarray,
    slope: np.ndarray | None,
) -> np.ndarray:
    lanes = gemm.isa.lanes
    if not is_split(panel):
        rows = [bias[None], weight, *([] if slope is None else [slope[None]])]
        return _beside(rows, len(panel) * lanes, gemm.isa.element.numpy).ravel()
    parts = [_vectors(unit, columns, lanes) for unit, columns in _each(panel, bias[None])]
    parts += _chunks(panel, gemm.ordered_runs(panel, runs), weight, lanes)
    if slope is not None:
        parts += [_padded(columns, lanes) for _, columns in _each(panel, slope[None])]
    flat = np.concatenate([part.ravel() for part in parts])
    return np.pad(flat, (0, gemm.vectors(panel) * lanes - flat.size))


def _beside(parts: Sequence[np.ndarray], columns: int, element: np.dtype[Any]) -> np.ndarray:
    """Return rows one below the other, padded with zeros to so many columns."""
    found = np.empty((sum(map(len, parts)), columns), element)
    used, start = parts[0].shape[1], 0
    for part in parts:
        found[start : start + len(part), :used] = part
        start += len(part)
    found[:, used:] = 0
    return found


def _each(panel: Panel, columns: np.ndarray) -> Iterator[tuple[Unit, np.ndarray]]:
    """List the units with their columns, the last axis of an array."""
    starts = np.cumsum([0, *(unit.outputs for unit in panel)])
    for unit, start in zip(panel, starts, strict=False):
        yield unit, columns[..., start : start + unit.outputs]


def _padded(columns: np.ndarray, size: int) -> np.ndarray:
    """Pad the last axis with zeros."""
    return np.pad(columns, [(0, 0)] * (columns.ndim - 1) + [(0, size - columns.shape[-1])])


def _vectors(unit: Unit, weight: np.ndarray, lanes: int) -> np.ndarray:
    """Return the vectors of a unit for k-steps, [..., k, columns], as [..., vectors, lanes]."""
    steps = weight.shape[-2]
    missing = -steps % unit.steps
    weight = np.pad(weight, [(0, 0)] * (weight.ndim - 2) + [(0, missing), (0, 0)])
    several = weight.reshape(*weight.shape[:-2], -1, unit.steps, unit.outputs)
    apart = several.swapaxes(-1, -2)
    return _padded(apart.reshape(*apart.shape[:-2], unit.outputs * unit.steps), lanes)


def _chunks(panel: Panel, runs: Sequence[Run], weight: np.ndarray, lanes: int) -> list[np.ndarray]:
    """Return the weights of all runs, chunk by chunk."""
    parts, start, size = list[np.ndarray](), 0, chunk_steps(panel)
    for run in runs:
        whole = run.length // size * size
        own, start = weight[start : start + run.length], start + run.length
        if whole:
            parts.append(_chunk(panel, own[:whole].reshape(-1, size, own.shape[1]), lanes))
        if whole < run.length:
            parts.append(_chunk(panel, own[whole:], lanes))
    return parts


def _chunk(panel: Panel, weight: np.ndarray, lanes: int) -> np.ndarray:
    """Return the vectors of a chunk, or of several, [..., k, columns]."""
    vectors = [_vectors(unit, columns, lanes) for unit, columns in _each(panel, weight)]
    kinds = [np.stack([vectors[place] for place in places], -2) for _, places in by_steps(panel)]
    flat = [kind.reshape(*kind.shape[:-3], -1) for kind in kinds]
    return np.concatenate(flat, -1)
