"""The numpy oracle: one plain function per op, the truth that everything is compared with."""

from __future__ import annotations

from mbc.interp.run import evaluate, gather, run

__all__ = ["evaluate", "gather", "run"]
