"""The error codes, one module a range; `CODES` is the whole table, in the order of the codes.

`mbc explain` and docs/errors.md are made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mbc.codes import (
    e01,
    e01_params,
    e02,
    e02_dsl,
    e03,
    e04,
    e05_passes,
    e05_quantise,
    e05_targets,
    e06,
    e06_extras,
    e06_gpu,
    e06_rpc,
    e07,
    e07_inputs,
    e07_verify,
    e08,
    e09,
)
from mbc.codes.code import Code

RANGES: tuple[tuple[str, str], ...] = (
    ("E01", "Command line and network parameters"),
    ("E02", "Networks and shapes"),
    ("E03", "IR text and the verifier"),
    ("E04", "Weights"),
    ("E05", "Targets, passes and pipelines"),
    ("E06", "Toolchain and linking"),
    ("E07", "Files, inputs and outputs"),
    ("E08", "Models of other formats"),
    ("E09", "Faults of mbc itself"),
)

TABLES: tuple[Mapping[str, Code], ...] = (
    e01.CODES,
    e01_params.CODES,
    e02.CODES,
    e02_dsl.CODES,
    e03.CODES,
    e04.CODES,
    e05_targets.CODES,
    e05_passes.CODES,
    e05_quantise.CODES,
    e06.CODES,
    e06_extras.CODES,
    e06_gpu.CODES,
    e06_rpc.CODES,
    e07.CODES,
    e07_inputs.CODES,
    e07_verify.CODES,
    e08.CODES,
    e09.CODES,
)


def merge(tables: Iterable[Mapping[str, Code]]) -> dict[str, Code]:
    """One table, sorted; a code that two tables claim is a bug."""
    merged: dict[str, Code] = {}
    for table in tables:
        if twice := merged.keys() & table.keys():
            raise ValueError(f"error codes defined twice: {', '.join(sorted(twice))}")
        merged.update(table)
    return dict(sorted(merged.items()))


CODES: Mapping[str, Code] = merge(TABLES)
