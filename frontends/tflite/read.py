"""From a file to plain data.

A flatbuffer is full of offsets, which the schema package follows wherever they lead. So the
counts of all that is read are limited by the size of the file, and what leads nowhere is E0801.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mbc.diag import MbcError, error
from mbc.extras import optional_module
from mbc.frontends.lowering.content import content_of
from mbc.frontends.lowering.model import Shape
from mbc.frontends.lowering.names import unique
from mbc.frontends.tflite.model import (
    Dimension,
    Operator,
    Option,
    Scales,
    Sparsity,
    Tensor,
    TfliteModel,
)

EXTRA = "tflite"
IDENTIFIER, VERSION = b"TFL3", 3
"""What each file has from its fifth byte on, and the version of the schema."""

MAX_OPERATORS, MAX_TENSORS = 2**15, 2**18
MAX_RANK = 16

DAMAGE = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)
"""What the schema package raises where offsets, numbers and texts make no sense."""


def read_model(path: Path) -> TfliteModel:
    """Return the model of a file.

    Raises E0610 (no package `tflite`), E0701 (unreadable), E0801 (not a model), E0803 (its
    version), E0807 (too large).
    """
    schema = optional_module("tflite", EXTRA)
    content = content_of(path, "TensorFlow Lite")
    if content[4:8] != IDENTIFIER:
        reason = "it does not begin as one" if content else "it is empty"
        raise damaged(path, reason)
    try:
        return _Reading(schema, content, path).model()
    except DAMAGE as problem:
        raise damaged(path, f"it is cut off or damaged ({problem})") from None


def damaged(path: Path, reason: str) -> MbcError:
    """Return E0801 for a file."""
    return error("E0801", f"{path} is no TensorFlow Lite model", label=reason)


class _Reading:
    """Reads one file through the accessors of the schema package."""

    def __init__(self, schema: Any, content: bytes, path: Path) -> None:
        self.schema, self.content, self.path = schema, content, path
        self.left = len(content)  # bytes that lists and texts may still have
        self.names = Counter[str]()
        self.kinds = _by_number(schema.BuiltinOperator)
        self.elements = _by_number(schema.TensorType)
        self.options = _by_number(schema.BuiltinOptions)

    def model(self) -> TfliteModel:
        """Read all of the file."""
        root = self.schema.Model.GetRootAs(self.content, 0)
        if root.Version() != VERSION:
            message = f"{self.path} has version {root.Version()} of the schema; mbc reads {VERSION}"
            raise error("E0803", message, helps=["convert the model again"])
        graphs = [*self.tables(root, "Subgraphs")]
        if not graphs:
            raise damaged(self.path, "it has no graph")
        graph, codes = graphs[0], [*self.tables(root, "OperatorCodes")]
        self.limit("operators", graph.OperatorsLength(), MAX_OPERATORS)
        self.limit("tensors", graph.TensorsLength(), MAX_TENSORS)
        buffers = [*self.tables(root, "Buffers")]
        tensors = [self.tensor(t, buffers, i) for i, t in enumerate(self.tables(graph, "Tensors"))]
        kinds = [self.kind(code) for code in codes]
        operators = [self.operator(each, kinds) for each in self.tables(graph, "Operators")]
        inputs, outputs = self.numbers(graph, "Inputs"), self.numbers(graph, "Outputs")
        return TfliteModel(tuple(tensors), tuple(operators), inputs, outputs, len(graphs))

    # the ways of reading

    def limit(self, what: str, found: int, most: int) -> None:
        """Raise E0807 for a count beyond the limits of mbc."""
        if found > most:
            raise error("E0807", f"the graph has {found:,} {what}, mbc takes {most:,}")

    def spend(self, size: int) -> None:
        """Count bytes of a list or text: all of them together are no more than the file has."""
        self.left -= size
        if self.left < 0:
            raise damaged(self.path, "it is damaged: its parts overlap")

    def count(self, table: Any, name: str, size: int) -> int:
        """Return the length of a list whose elements have `size` bytes at least."""
        length = int(getattr(table, f"{name}Length")())
        self.spend(length * size)
        return length

    def tables(self, table: Any, name: str) -> Iterator[Any]:
        """Yield the tables of a list."""
        for index in range(self.count(table, name, 4)):
            yield getattr(table, name)(index)

    def array(self, table: Any, name: str) -> np.ndarray:
        """Return a list of numbers."""
        if not self.count(table, name, 1):
            return np.zeros(0, np.int64)
        found: np.ndarray = getattr(table, f"{name}AsNumpy")()
        return found

    def numbers(self, table: Any, name: str) -> tuple[int, ...]:
        """Return a list of integers."""
        return tuple(self.array(table, name).tolist())

    def text(self, found: bytes | None) -> str:
        """Decode a text."""
        self.spend(len(found or b""))
        return (found or b"").decode()

    # what is read

    def kind(self, code: Any) -> str:
        """Return the name of an op; files before 2020 have its number elsewhere."""
        number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        if number == self.schema.BuiltinOperator.CUSTOM:
            return f"CUSTOM {self.text(code.CustomCode())}".strip()
        return self.kinds.get(number, f"op {number}")

    def operator(self, found: Any, kinds: Sequence[str]) -> Operator:
        """Read a node."""
        inputs, outputs = self.numbers(found, "Inputs"), self.numbers(found, "Outputs")
        index = found.OpcodeIndex()
        return Operator(kinds[index], inputs, outputs, dict(self.options_of(found)))

    def options_of(self, found: Any) -> Iterator[tuple[str, Option]]:
        """Yield the numbers among the options of a node."""
        if found.CustomOptionsLength():
            yield "CustomOptions", self.numbers(found, "CustomOptions")
        name, table = self.options.get(found.BuiltinOptionsType()), found.BuiltinOptions()
        if name is None or name == "NONE" or table is None:
            return
        kind = getattr(self.schema, name)
        options = kind()
        options.Init(table.Bytes, table.Pos)
        for each in _accessors(kind):
            is_list = hasattr(kind, f"{each}Length")
            value = self.numbers(options, each) if is_list else getattr(options, each)()
            if isinstance(value, bool | int | float | tuple):
                yield each, value

    def tensor(self, found: Any, buffers: Sequence[Any], number: int) -> Tensor:
        """Read a tensor."""
        shape = self.shape(found)
        element = self.elements.get(found.Type(), f"type {found.Type()}")
        name = self.name(self.text(found.Name()), number)
        data = self.data(buffers, found.Buffer(), is_empty=0 in shape)
        scales, sparsity = self.scales(found), self.sparsity(found)
        return Tensor(name, shape, element, data, scales, sparsity, bool(found.IsVariable()))

    def name(self, text: str, number: int) -> str:
        """Return a name of its own: of those of fused nodes, which are joined, the first."""
        return unique(text.partition(";")[0] or f"tensor{number}", self.names)

    def shape(self, found: Any) -> Shape:
        """Read the extents of a tensor."""
        shape = self.numbers(found, "Shape")
        if len(shape) > MAX_RANK or min(shape, default=0) < 0:
            raise damaged(self.path, f"it is damaged: a tensor has the shape {[*shape[:MAX_RANK]]}")
        return shape

    def data(self, buffers: Sequence[Any], number: int, *, is_empty: bool) -> np.ndarray | None:
        """Return the bytes of a buffer; None of an empty one, which results have."""
        buffer = buffers[number] if number else None
        if buffer is None:
            return None
        if buffer.Offset() > 1:  # of files above 2 GB: behind the flatbuffer
            start, size = buffer.Offset(), buffer.Size()
            if start + size > len(self.content):
                raise damaged(self.path, "it is cut off: the data of a tensor lies behind its end")
            return np.frombuffer(self.content, np.uint8, size, start)
        if buffer.DataLength():
            found: np.ndarray = buffer.DataAsNumpy()
            return found
        return np.zeros(0, np.uint8) if is_empty else None

    def scales(self, found: Any) -> Scales:
        """Read what integers stand for."""
        table = found.Quantization()
        if table is None:
            return Scales(np.zeros(0, np.float32), np.zeros(0, np.int64), 0)
        scale, zero = self.array(table, "Scale"), self.array(table, "ZeroPoint")
        return Scales(scale, zero, int(table.QuantizedDimension()), int(table.DetailsType()))

    def sparsity(self, found: Any) -> Sparsity | None:
        """Read how a sparse tensor is stored."""
        table = found.Sparsity()
        if table is None:
            return None
        order, blocks = self.numbers(table, "TraversalOrder"), self.numbers(table, "BlockMap")
        dimensions = tuple(map(self.dimension, self.tables(table, "DimMetadata")))
        return Sparsity(order, blocks, dimensions)

    def dimension(self, found: Any) -> Dimension:
        """Read how one axis of a sparse tensor is stored."""
        if found.Format() == self.schema.DimensionType.DENSE:
            nothing = np.zeros(0, np.int64)
            return Dimension(int(found.DenseSize()), nothing, nothing)
        segments = self.vector(found.ArraySegmentsType(), found.ArraySegments())
        return Dimension(0, segments, self.vector(found.ArrayIndicesType(), found.ArrayIndices()))

    def vector(self, kind: int, table: Any) -> np.ndarray:
        """Read a list whose elements have one of three types."""
        vector = getattr(self.schema, _by_number(self.schema.SparseIndexVector)[kind])()
        vector.Init(table.Bytes, table.Pos)
        return self.array(vector, "Values").astype(np.int64)


def _by_number(kind: type) -> dict[int, str]:
    """Return the names of an enumeration of the schema."""
    return {number: name for name, number in vars(kind).items() if isinstance(number, int)}


def _accessors(kind: type) -> list[str]:
    """Return the fields of a table of the schema."""
    others = ("AsNumpy", "Length", "IsNone", "BufferHasIdentifier", "Init")
    names = (name for name, made in vars(kind).items() if callable(made))
    return [name for name in names if not name.endswith(others) and name[0].isupper()]
