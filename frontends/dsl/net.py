"""The layers, as methods of the object that a network function receives.

Tensors are NHWC, filters HWIO, dense weights IO. Every layer raises an error of the E02 range
at the user's line if it does not fit its input.
"""

from __future__ import annotations

from mbc.diag import error
from mbc.frontends.dsl.builder import IDENTIFIER, Tensor, check_name, refuse_large
from mbc.frontends.dsl.layers.elementwise import ElementwiseLayers
from mbc.frontends.dsl.layers.moves import MoveLayers
from mbc.frontends.dsl.layers.reductions import ReductionLayers
from mbc.frontends.dsl.layers.rows import RowLayers
from mbc.frontends.dsl.layers.spatial import SpatialLayers
from mbc.frontends.dsl.layers.unary import UnaryLayers
from mbc.frontends.dsl.layers.windows import WindowLayers
from mbc.frontends.dsl.location import here
from mbc.frontends.dsl.mistakes import misuse, refuse_list
from mbc.frontends.dsl.window import whole
from mbc.ir.types import TensorType


def _static(extent: object) -> int:
    """Return an extent of an input; raises E0218, with advice about a dynamic one."""
    if extent is None or extent == -1 or isinstance(extent, str):
        raise misuse(
            f"shapes are static: an extent of an input cannot be {extent!r}",
            "make it a parameter of the network, and set it with -D",
        )
    return whole("an extent of an input", extent)


class Net(
    WindowLayers,
    SpatialLayers,
    ElementwiseLayers,
    ReductionLayers,
    UnaryLayers,
    RowLayers,
    MoveLayers,
):
    """The layers of a network under construction."""

    def input(self, *shape: int, name: str | None = None) -> Tensor:
        """Declare an input of the network: `nn.input(224, 224, 3)` is [batch,224,224,3].

        Raises E0217 if the name is taken, E0218 for extents that are not positive integers.
        """
        taken = [value.name for value in self.graph.inputs]
        if name is None:
            name = f"input{len(taken) + 1}" if taken else "input"
        check_name(IDENTIFIER, name)
        if name in taken:
            raise error("E0217", f"two inputs are called '{name}'", at=here())
        refuse_list("an input takes its extents", shape, "write nn.input(224, 224, 3)")
        if not shape:
            raise misuse("an input needs its extents without the batch: nn.input(224, 224, 3)")
        extents = [_static(extent) for extent in shape]
        type = TensorType((self.batch, *extents))
        refuse_large([type])
        for node in self.graph.topo():  # the input's name is fixed: callers know it
            for value in (value for value in node.results if value.name == name):
                value.name = self.graph.fresh_name(name)
        return Tensor(self.graph.add_input(name, type), self)

    def require(self, condition: bool, message: str, help: str = "") -> None:
        """Raise E0219 with this message at this line unless the condition holds."""
        if not condition:
            raise error("E0219", str(message), at=here(), helps=[str(help)] if help else [])
