"""The numpy oracle: one plain function per op, the reference for every other result."""

from __future__ import annotations

from mbc.interp.run import evaluate, gather, run

__all__ = ["evaluate", "gather", "run"]
