"""Remarks of passes that clean up, and of those that fold arithmetic into layers."""

from __future__ import annotations

from mbc.remarks import common

PASSES = {
    "fold-constants": {
        "folded": "The node changed nothing, or does the same as one op on an earlier value.",
        "view": "The node changes nothing but reads a channel view, which its readers may not.",
        "copies-input": "The node changes nothing, but an output must be no input: it is copied.",
        "copies-output": "The node changes nothing, but two outputs must be two buffers: it is "
        "copied.",
    },
    "eliminate-dead-nodes": {
        "removed": "Nothing that the network returns depends on the node.",
        "partly-read": "Some results of the node are never read, but others are.",
    },
    "fold-pad": {
        "folded": "The windows that read what is padded pad it themselves.",
        "output": "What is padded is an output.",
        "no-window": "A reader is no window over the padded value.",
        "other-axes": "It pads images or channels; windows pad only height and width.",
        "product": "The reader is a 1x1 convolution, which stays a product without a window.",
        "other-fill": "The window pads with another number: convolutions and average pools with "
        "0, maximum pools with minus infinity.",
        "uncounted": "The average pool has padding of its own that it does not count.",
        "invalid": "The window would lie in the padding alone, or be none; the message says it.",
        "no-kernel": common.NO_KERNEL,
    },
    "fold-batch-norm": {
        "folded": "The batch norm went into the weights and the bias of the layer before it.",
        "view": common.VIEW,
        "no-layer": "What the batch norm reads is not made by a layer that could take it over.",
        "element": common.ELEMENT,
        "activation": common.ACTIVATION,
        "residual": common.RESIDUAL,
        "operand": common.OPERAND,
        "shared": common.SHARED,
    },
    "fold-affine": {
        "into-before": "Arithmetic with a constant went into the layer before it.",
        "into-after": "Arithmetic with a constant went into the layer after it.",
        "activation": common.ACTIVATION,
        "element": common.ELEMENT,
        "operand": common.OPERAND,
        "shared": common.SHARED,
        "view": common.VIEW,
        "padding": "The layer after it pads with zeros, which would have to be shifted too.",
    },
}
