"""Tables of a function of one number for all codes, computed in double precision.

Entry c of the table of f is the code of f(scale * (c - zero)), with the scale and the zero point of
what is read: rounded half to even, and clamped. NaN gives the zero point, infinity the last code.
"""

from __future__ import annotations

import numpy as np

from mbc.interp.kernels import KERNELS
from mbc.ir.elements import Q8
from mbc.ir.graph import Constant, Node
from mbc.ops.quantized import TABLE
from mbc.passes.rewrite import ConstantMaker


def table_of(constants: ConstantMaker, node: Node, x: Q8, to: Q8) -> Constant:
    """Make the table of a node that computes a function of each element of its one view."""
    known = [operand for operand in node.operands if isinstance(operand, Constant)]
    numbers = (np.arange(256) - np.float64(x.zero)) * x.scale

    def table(*given: np.ndarray) -> np.ndarray:
        rest = iter(given)
        operands = [
            next(rest).astype(np.float64).ravel() if isinstance(operand, Constant) else numbers
            for operand in node.operands
        ]
        with np.errstate(all="ignore"):
            (found,) = KERNELS[type(node.op)](node.op, *operands)
            steps = np.rint(np.asarray(found, np.float64) / to.scale)
        steps = np.where(np.isnan(steps), 0, steps) + to.zero
        codes: np.ndarray = np.clip(steps, 0, 255).astype(np.uint8)
        return codes

    return constants.derive(f"{node.result.name}.table", TABLE, known, table)
