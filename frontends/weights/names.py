"""Hints for names in a weight file that the network lacks: what mbc calls them, if anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mbc.diag import nearest
from mbc.frontends.weights.stored import Stored
from mbc.ir.graph import Constant

SHOWN = 3

# The parameters of a batch norm; the first two are a convolution's and a layer norm's too.
PYTORCH = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}
KERAS = {"moving_mean": "mean", "moving_variance": "variance", "kernel": "weight"}


def hints(
    extra: Sequence[str],
    missing: Sequence[str],
    constants: Mapping[str, Constant],
    stored: Mapping[str, Stored],
) -> tuple[str, ...]:
    """Return hints for names of other frameworks, and for misspelt names."""
    known = dict(_translated(extra, set(missing), stored))
    others = [name for name in extra if name not in known]
    return (*_listed(known), *_slips(others, missing, constants, stored))


def _translated(
    extra: Sequence[str], missing: set[str], stored: Mapping[str, Stored]
) -> Iterator[tuple[str, str]]:
    """Yield each name of PyTorch or Keras in the file with the missing name it stands for."""
    for name in extra:
        layer, role = _layer(name), _role(name)
        normalises = f"{layer}running_mean" in stored or f"{layer}gamma" in missing
        ours = (PYTORCH if normalises else KERAS).get(role, "")
        if f"{layer}{ours}" in missing:
            yield name, f"{layer}{ours}"


def _listed(known: Mapping[str, str]) -> Iterator[str]:
    """List the translated names of the first layer, and count the others."""
    if not known:
        return
    first = _layer(next(iter(known)))
    pairs = [f"'{name}' is '{ours}' here" for name, ours in known.items() if _layer(name) == first]
    more = len(known) - len(pairs)
    yield ", ".join(pairs) + (f", and {more} more alike" if more else "")


def _slips(
    names: Sequence[str],
    missing: Sequence[str],
    constants: Mapping[str, Constant],
    stored: Mapping[str, Stored],
) -> Iterator[str]:
    """Suggest missing names of the same extents that are spelt alike."""
    for name in names[:SHOWN]:
        extents = sorted(stored[name].shape)
        alike = [other for other in missing if sorted(constants[other].type.shape) == extents]
        yield from nearest(name, alike, named=len(names) > 1)


def _layer(name: str) -> str:
    """Return the part before the role, including its dot."""
    return name[: len(name) - len(_role(name))]


def _role(name: str) -> str:
    return name.rpartition(".")[2]
