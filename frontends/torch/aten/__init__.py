"""How each op of PyTorch is spelled in the ops that are lowered."""

from __future__ import annotations

from collections.abc import Mapping

from mbc.frontends.torch.aten import activations, arithmetic, layers, moves, pools
from mbc.frontends.torch.aten.activations import Made, Rule

__all__ = ["ATEN", "Made", "Rule", "rule_of"]

ATEN: Mapping[str, Rule] = {
    **activations.RULES,
    **arithmetic.RULES,
    **layers.RULES,
    **moves.RULES,
    **pools.RULES,
}
"""The rule of each op of the namespace `aten`, or of one of its overloads."""


def rule_of(op: str, overload: str) -> Rule | None:
    """Return the rule of an overload of an op; None if there is none."""
    return ATEN.get(f"{op}.{overload}") or ATEN.get(op)
