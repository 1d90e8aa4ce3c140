"""Remarks of passes that remove ops which only move data."""

from __future__ import annotations

from mbc.remarks import common

REMOVED = {
    "removed": "It copies nothing any more: its readers read through channel views, or weights "
    "have the order of the channels. The message says which nodes changed.",
    "output": f"It stays, and copies. {common.OUTPUT}",
    "no-kernel": "It stays, and copies: a reader has no kernel that reads such a view.",
    "buffer": f"It stays, and copies. {common.BUFFER}",
}

PASSES = {
    "raise-channel-shuffle": {
        "raised": "Reshape, transpose and reshape became one channel shuffle.",
        "shared": common.SHARED,
        "other-shape": "The last reshape does not give back the first shape.",
        "other-split": "The first reshape does not split the channels into two axes.",
        "other-order": "The transpose does not swap the two axes of the channels.",
    },
    "eliminate-concat": {
        **REMOVED,
        "moved": "An op on each channel alone moved from behind a concatenation into its parts.",
        "move-shared": f"The op stays behind the concatenation. {common.SHARED}",
        "move-no-kernel": f"The op stays behind the concatenation. {common.NO_KERNEL}",
    },
    "eliminate-split": REMOVED,
    "remap-channel-shuffle": REMOVED,
    "materialize-views": {
        "view": "The node reads a channel view without a copy.",
        "no-kernel": "A view is copied: the reader has no kernel that reads it.",
        "buffer": f"A view is copied. {common.BUFFER}",
    },
}
