"""Remarks of passes that make one kernel of several nodes."""

from __future__ import annotations

from mbc.remarks import common

JUDGED = {
    "disabled": common.DISABLED,
    "no-kernel": common.NO_KERNEL,
    "buffer": common.BUFFER,
    "not-profitable": common.NOT_PROFITABLE,
}
FOLLOWED = {
    "shared": common.SHARED,
    "unread": common.UNREAD,
    "other-reader": common.OTHER_READER,
    "is-residual": common.IS_RESIDUAL,
    "part": common.PART,
}

PASSES = {
    "fuse-activation": {
        "fused": "The activation went into the epilogue of the node before it.",
        "view": common.VIEW,
        "no-epilogue": "What the activation reads is not made by an op that has an epilogue.",
        "activation": common.ACTIVATION,
        "shared": common.SHARED,
        "slopes": "The node before it takes no such slopes.",
        "element": common.ELEMENT,
        "no-kernel": common.NO_KERNEL,
    },
    "fuse-residual-add": {
        "fused": "A convolution adds the other operand as it stores its result.",
        "no-conv": "No operand is a convolution's whole result.",
        "shape": "The other operand has another shape: it would have to be repeated.",
        "rounding": "The convolution's result is rounded to codes before the sum is; fused, one "
        "of the two roundings would be left out.",
        "activation": common.ACTIVATION,
        "slopes": "The convolution has slopes, which apply before the sum.",
        "residual": "The convolution adds a residual already.",
        "shared": common.SHARED,
        "no-kernel": common.NO_KERNEL,
        "buffer": common.BUFFER,
    },
    "use-strassen": {
        "used": "The layer is multiplied by Strassen's method, with an eighth fewer products.",
        "disabled": "Strassen's method is switched off (`--no-strassen`).",
        "element": common.ELEMENT,
        "no-kernel": "The backend has no kernel by Strassen's method for such a layer.",
        "not-profitable": "The cost model predicts that it would save too little.",
        "too-rough": "An output has pixels, and their rounding errors could be much larger.",
    },
    "fuse-universal-bottleneck": {
        "fused": "A block of MobileNetV4 became one kernel.",
        "residual": common.RESIDUAL,
        **FOLLOWED,
        "no-bottleneck": "The expansion is not wider than what is before and after the block.",
        **JUDGED,
    },
    "fuse-inverted-residual": {
        "fused": "Expansion, depthwise convolution and projection became one kernel.",
        "other-producer": common.OTHER_PRODUCER,
        "goes-before": "The pointwise convolution before it rather goes with the depthwise one "
        "before that.",
        "residual": common.RESIDUAL,
        **FOLLOWED,
        **JUDGED,
    },
    "fuse-depthwise-pointwise": {
        "fused": "A depthwise convolution and the pointwise one after it became one kernel.",
        "residual": common.RESIDUAL,
        **FOLLOWED,
        **JUDGED,
    },
    "fuse-depthwise-mean": {
        "fused": "A depthwise convolution also averages its rows, for the global pool after it.",
        "view": common.VIEW,
        "other-producer": common.OTHER_PRODUCER,
        "element": "The convolution gives another element than f32.",
        "residual": common.RESIDUAL,
        "one-pixel": "Rows have one pixel each, so averaging them saves nothing.",
        **JUDGED,
    },
    "fuse-channel-scale": {
        "fused": "A pointwise convolution multiplies its weights by the gate instead of its input.",
        "activation": common.ACTIVATION,
        **FOLLOWED,
        **JUDGED,
    },
    "fuse-rows": {
        "fused": "A run of nodes is streamed by rows, so that what lies between them needs a few "
        "rows of memory.",
        "no-kernel": "Memory is planned for kernels, and the backend has none for a node of the "
        "network.",
        "no-gain": "No such run lowers the peak of the arena (at no cost in time, with mode=auto).",
    },
}
