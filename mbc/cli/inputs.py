"""The option --input: from files to the input tensors of a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mbc.cli.options import Group
from mbc.cli.usage import UsageError
from mbc.runtime.abi import IoSpec
from mbc.runtime.inputs import read_input
from mbc.runtime.preprocessing import Preprocessing


def add_input(group: Group, otherwise: str = "") -> None:
    """Add --input; `otherwise` says what is taken without it, where it may be left out."""
    group.add_argument(
        "--input",
        dest="inputs",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help=".npy: the tensor itself, NHWC unless --input-layout says otherwise; else a photo; "
        f"once for each input, in order{otherwise}",
    )


def read_inputs(
    inputs: Sequence[IoSpec], paths: Sequence[Path], how: Preprocessing
) -> dict[str, np.ndarray]:
    """Return the input tensors by name; UsageError for too few files or too many."""
    if len(paths) != len(inputs):
        listed = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in inputs)
        raise UsageError(
            f"--input is given {len(paths)} times, not {len(inputs)}",
            [f"give it once for each input, in this order: {listed}"],
        )
    return {
        spec.name: read_input(path, spec, how) for spec, path in zip(inputs, paths, strict=True)
    }
