"""Import of PyTorch models: modules, or programs of torch.export, become graphs with weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mbc.extras import optional_module
from mbc.frontends.lowering import graph_of
from mbc.frontends.options import Layout
from mbc.frontends.torch.archive import check_archive, check_samples
from mbc.frontends.torch.aten import ATEN
from mbc.frontends.torch.export import decomposed, exported, loaded
from mbc.frontends.torch.folding import FOLDABLE
from mbc.frontends.torch.program import model_of
from mbc.ir.graph import Graph

__all__ = ["ATEN", "FOLDABLE", "import_module", "import_pt2"]


def import_pt2(path: Path, input_layout: Layout = "nhwc") -> Graph:
    """Return the graph of a file of torch.export.save, named by the file; images are NHWC in it.

    Raises E0610 without the package `torch`, E0701 for an unreadable file, E0801 to E0810 for what
    it holds.
    """
    check_archive(path)
    torch = optional_module("torch", "torch")
    check_samples(torch, path)
    return _graph(torch, loaded(torch, path), path.stem, input_layout)


def import_module(
    module: Any,
    inputs: Sequence[Any],
    kwargs: Mapping[str, Any],
    name: str,
    input_layout: Layout = "nhwc",
) -> Graph:
    """Return the graph of a module, which is traced with example inputs, or of a program.

    Raises E0610 without the package `torch`, E0809 for a module that torch.export does not take,
    E0802 to E0807 for what it holds.
    """
    torch = optional_module("torch", "torch")
    return _graph(torch, exported(torch, module, inputs, kwargs), name, input_layout)


def _graph(torch: Any, program: Any, name: str, input_layout: Layout) -> Graph:
    return graph_of(model_of(torch, decomposed(torch, program)), name, input_layout)
