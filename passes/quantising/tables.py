"""Tables of a function of one number for all codes, computed in double precision.

Entry c of the table of f is the code of f(scale * (c - zero)), with the scale and the zero point of
what is read.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mbc.interp.kernels import KERNELS
from mbc.ir.elements import Q8
from mbc.ir.graph import Constant, Node
from mbc.ops.quantized import TABLE, table_codes
from mbc.passes.rewrite import ConstantMaker


def table_of(constants: ConstantMaker, node: Node, x: Q8, to: Q8) -> Constant:
    """Make the table of a node that computes a function of each element of its one view."""
    known = [operand for operand in node.operands if isinstance(operand, Constant)]

    def function(given: tuple[np.ndarray, ...], numbers: np.ndarray) -> np.ndarray:
        rest = iter(given)
        operands = [
            next(rest).astype(np.float64).ravel() if isinstance(operand, Constant) else numbers
            for operand in node.operands
        ]
        (found,) = KERNELS[type(node.op)](node.op, *operands)
        return found

    def table(*given: np.ndarray) -> np.ndarray:
        return table_codes(partial(function, given), x, to)

    return constants.derive(f"{node.result.name}.table", TABLE, known, table)
