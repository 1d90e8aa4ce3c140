"""What becomes known of the codes of a model while its operators are translated."""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np

from mbc.frontends.tflite.codes import element_of
from mbc.frontends.tflite.model import TfliteModel
from mbc.ir.elements import Q8


class Known:
    """The elements of values, the scales of weights, and what is told of them."""

    def __init__(self, model: TfliteModel) -> None:
        self.model = model
        self.parts = dict[str, Q8]()  # of values that the file does not name
        self.weights = dict[str, np.ndarray]()  # scales by the names of constants
        self.sums = dict[str, np.ndarray]()  # those of the file, by the same names
        self.float_layers = set[str]()  # their results, by name
        self.rounded = 0  # channels whose weights are no steps of the file
        self.widened = dict[str, str]()  # types that layers read as floats, by their results
        self._elements = dict[int, Q8 | None]()

    def element(self, number: int) -> Q8 | None:
        """Return the element of a value; None where it is no codes."""
        if number not in self._elements:
            self._elements[number] = element_of(self.model.tensors[number])
        return self._elements[number]

    def say_same(self, number: int, operand: int) -> None:
        """Say that a result has the codes of an operand."""
        self._elements[number] = self.element(operand)

    def elements(self, constants: Container[int]) -> Iterator[tuple[str, Q8]]:
        """Yield the elements of all values that operators read or make, by name."""
        yield from self.parts.items()
        for number, element in self._elements.items():
            if element is not None and number not in constants:
                yield self.model.tensors[number].name, element

    def remarks(self, *, floats: bool) -> Iterator[str]:
        """Yield what to tell of a quantised model, which `floats` takes without its codes."""
        if any(self._elements.values()):
            how = "in float32, with the ranges of its values as clips"
            ours = "on its codes of 8 bits; --float takes it in float32"
            yield f"the model is quantised; mbc computes {how if floats else ours}"
        if self.rounded:
            count, verb = self.rounded, "has" if self.rounded == 1 else "have"
            channels = f"{count} output channel{'' if count == 1 else 's'} {verb}"
            yield f"{channels} weights beyond 127 steps from zero, which are rounded to 127 steps"
        if self.widened:
            first, kind = next(iter(self.widened.items()))
            yield (
                f"constants of {kind} of operators that compute in float, {len(self.widened)} in "
                f"all, the first is '{first}', are read as float32; LiteRT also rounds what "
                "they are multiplied by"
            )
