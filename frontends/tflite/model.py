"""A TensorFlow Lite model as plain data, as it stands in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

import numpy as np

from mbc.frontends.lowering.model import Shape
from mbc.records import dataclass

Option: TypeAlias = bool | int | float | tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Dimension:
    """How one axis of a sparse tensor is stored."""

    size: int
    """Extent of a dense axis; 0 for a sparse one."""
    segments: np.ndarray
    """Of a sparse axis: where the indices of each element before it begin, and the end."""
    indices: np.ndarray
    """Of a sparse axis: the places that have elements."""


@dataclass(frozen=True, eq=False)
class Sparsity:
    """Which elements of a sparse tensor are stored, as a tree of axes."""

    order: tuple[int, ...]
    """The axes from the root on; numbers from the rank on are those of blocks."""
    blocks: tuple[int, ...]
    """The axes that are cut into blocks."""
    dimensions: tuple[Dimension, ...]
    """How each axis is stored, in this order."""


@dataclass(frozen=True, eq=False)
class Scales:
    """What integers stand for: (q - zero) * scale."""

    scale: np.ndarray
    """One, or one for each place of the axis; none of tensors that are not quantised."""
    zero: np.ndarray
    """As many zero points."""
    axis: int
    """The axis along which there are several."""
    details: int = 0
    """Number of the kind of other details, in the schema; 0 for none."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph."""

    name: str
    """Name, which no other tensor has."""
    shape: Shape
    """Extents; those that the file leaves open are 1."""
    element: str
    """Type of the elements, by its name in the schema: FLOAT32."""
    data: np.ndarray | None
    """Bytes of a constant; None of inputs and results."""
    scales: Scales
    """What its elements stand for."""
    sparsity: Sparsity | None = None
    """How its elements are stored, if not one by one."""
    is_variable: bool = False
    """Whether operators change it in place: the state of a recurrent one."""


@dataclass(frozen=True, eq=False)
class Operator:
    """A node of the graph."""

    kind: str
    """Op, by its name in the schema: CONV_2D; a custom one by its own name behind CUSTOM."""
    inputs: tuple[int, ...]
    """Numbers of tensors; -1 for absent ones."""
    outputs: tuple[int, ...]
    """Numbers of tensors."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Options by their names in the schema."""


@dataclass(frozen=True, eq=False)
class TfliteModel:
    """The first subgraph of a file."""

    tensors: tuple[Tensor, ...]
    """All tensors."""
    operators: tuple[Operator, ...]
    """Nodes in the order in which they are computed."""
    inputs: tuple[int, ...]
    """Numbers of the inputs."""
    outputs: tuple[int, ...]
    """Numbers of the outputs."""
    subgraphs: int
    """How many graphs the file has."""
