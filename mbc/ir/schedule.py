"""The base class of all schedules: how a kernel computes a node, never what it computes.

A schedule is a frozen dataclass of integers and flags, so that text holds it, and a node may carry
it. The schedules themselves live in mbc/schedules.
"""

from __future__ import annotations

from typing import ClassVar

from mbc.records import dataclass


@dataclass(frozen=True)
class Schedule:
    """The choices that a kernel leaves open. Fields are int, bool, or tuples of int."""

    mnemonic: ClassVar[str]
