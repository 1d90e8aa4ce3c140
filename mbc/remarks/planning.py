"""Remarks of passes that choose schedules and plan memory."""

from __future__ import annotations

PASSES = {
    "choose-schedules": {
        "chosen": "The node got the first of the backend's schedules.",
        "kept": "The node had a schedule already.",
    },
    "plan-memory": {
        "arena": "The size of the arena, beside the most bytes that are alive at once, which no "
        "plan goes below.",
    },
}
