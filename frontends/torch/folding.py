"""Constant folding: ops whose operands are all constant are computed by PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from mbc.diag import error

MAX_FOLDED = 2**24
"""Elements of a folded tensor."""

# fmt: off
FOLDABLE = frozenset({
    "abs", "add", "alias", "arange", "bitwise_and", "bitwise_not", "bitwise_or", "cat", "ceil",
    "clamp", "clamp_max", "clamp_min", "clone", "contiguous", "conv2d", "cos", "cumsum", "detach",
    "div", "eq", "exp", "expand", "eye", "flatten", "flip", "floor", "floor_divide",
    "full", "full_like", "gather", "ge", "gelu", "gt", "index", "index_select", "layer_norm", "le",
    "lift_fresh", "lift_fresh_copy", "linear", "linspace", "log", "logical_and", "logical_not",
    "logical_or", "lt", "masked_fill", "matmul", "maximum", "mean", "meshgrid", "minimum", "mm",
    "mul", "_native_batch_norm_legit_no_training", "ne", "neg", "new_ones",
    "new_zeros", "ones", "ones_like", "permute", "pow", "reciprocal", "remainder", "repeat",
    "repeat_interleave", "reshape", "round", "rsqrt", "rsub", "scalar_tensor", "select", "sigmoid",
    "sign", "sin", "slice", "softmax", "split", "split_with_sizes", "sqrt", "squeeze", "stack",
    "sub", "sum", "t", "tanh", "to", "_to_copy", "transpose", "tril", "triu", "unbind",
    "unflatten", "_unsafe_view", "unsqueeze", "view", "_weight_norm", "_weight_norm_interface",
    "where", "zeros", "zeros_like",
})
# fmt: on
"""Ops of `aten` that are computed where all that they read is constant."""


def folded(torch: Any, node: Any, tensors: Mapping[Any, Any]) -> Any:
    """Return what a call computes if that is constant: a tensor or several; None if it is not.

    Raises E0807 for a result that is too large.
    """
    target = node.target
    if not _is_foldable(target) or any(each not in tensors for each in node.all_input_nodes):
        return None
    _refuse_large(node)
    args = torch.fx.node.map_arg(node.args, tensors.__getitem__)
    kwargs = torch.fx.node.map_arg(node.kwargs, tensors.__getitem__)
    with torch.no_grad():
        return target(*args, **kwargs)


def _is_foldable(target: Any) -> bool:
    space, _, name = getattr(getattr(target, "_schema", None), "name", "").partition("::")
    return space == "aten" and name in FOLDABLE


def _refuse_large(node: Any) -> None:
    value = node.meta.get("val")
    for each in value if isinstance(value, list | tuple) else (value,):
        size = prod(getattr(each, "shape", ()))
        if size > MAX_FOLDED:
            message = f"constant '{node.name}' would have {size:,} elements"
            raise error("E0807", message, label=f"mbc folds {MAX_FOLDED:,} at most")
