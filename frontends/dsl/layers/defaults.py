"""What layers take where a call does not say: `nn.defaults(padding="half", epsilon=1e-3)`."""

from __future__ import annotations

from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.mistakes import misuse
from mbc.frontends.dsl.window import Padding, number, sides
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType

ACTIVATIONS = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "sigmoid",
    "hard_sigmoid",
    "silu",
    "hard_swish",
    "tanh",
    "gelu",
    "gelu_tanh",
    "softplus",
    "mish",
)
"""The layers that need no argument but x."""


class Defaults(Builder):
    """Padding of convolutions, epsilon of batch norms, and the activation of `nn.activate`."""

    def __init__(self, graph: Graph, batch: int = 1) -> None:
        super().__init__(graph, batch)
        self.default_padding: Padding = 0
        self.default_epsilon = 1e-5
        self._act = ""

    def defaults(
        self,
        *,
        padding: Padding | None = None,
        epsilon: float | None = None,
        act: str | None = None,
    ) -> None:
        """Set what the layers after it take: convolutions their padding, batch norms their epsilon,
        and `nn.activate` its activation. What is left out stays as it is.

        Raises E0218 for what is no padding, no number, or the name of no activation.
        """
        if padding is not None:
            sides(padding, TensorType((1, 1, 1, 1)), (1, 1), (1, 1))
            self.default_padding = padding
        if epsilon is not None:
            self.default_epsilon = number("epsilon", epsilon)
        if act is not None:
            if act not in ACTIVATIONS:
                raise misuse(f"act must be one of {', '.join(ACTIVATIONS)}, found {act!r}")
            self._act = act

    def activate(self, x: Tensor) -> Tensor:
        """Apply the activation that `nn.defaults(act=…)` has named; raises E0218 if none has."""
        if not self._act:
            raise misuse("no activation is set", 'write nn.defaults(act="relu") before it')
        activated: Tensor = getattr(self, self._act)(x)
        return activated
