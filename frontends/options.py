"""What the user says of a model of another format, beside its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from mbc.records import dataclass

Layout: TypeAlias = Literal["nhwc", "nchw"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


@dataclass(frozen=True)
class ModelOptions:
    """Options of the import of a model; values have the names of the model."""

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shapes of inputs, set by --shape."""
    inputs: tuple[str, ...] = ()
    """Values that become the inputs; none: the model's own."""
    outputs: tuple[str, ...] = ()
    """Values that become the outputs; none: the model's own."""
    input_layout: Layout = "nhwc"
    """Order of axes in which callers give inputs of four axes."""
    external_data: Path | None = None
    """Another folder from which the model's data may be read."""
    floats: bool = False
    """Whether a quantised model is taken in float32, with its ranges as clips."""

    def given(self) -> Iterator[str]:
        """Yield the command-line options that are set."""
        options = {
            "--shape": bool(self.shapes),
            "--inputs": bool(self.inputs),
            "--outputs": bool(self.outputs),
            "--input-layout": self.input_layout != "nhwc",
            "--external-data": self.external_data is not None,
            "--float": self.floats,
        }
        yield from (option for option, given in options.items() if given)


AS_IT_IS = ModelOptions()
"""The whole model, with the shapes that it states."""
