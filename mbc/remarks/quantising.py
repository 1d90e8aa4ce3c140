"""Remarks of `quantise`, and of the pass that it has for itself."""

from __future__ import annotations

PASSES = {
    "quantise": {
        "integer": "The node computes with 8-bit codes.",
        "moves-codes": "The node moves or compares codes, which needs no arithmetic.",
        "left-out": "The node clips to the range that its codes have anyway, so it is gone.",
        "separated": "An activation that is no clip was taken out of a layer, to become a table.",
        "reads-bytes": "An input of bytes is read as codes, without being computed in float.",
        "requantised": "A value gets another scale by a node of its own: it joins others of a far "
        "wider range, or the model states it so.",
        "no-form": "The op has no form on integers, so it computes in float.",
        "element": "The node computes with another element than f32, so it stays as it is.",
        "activation": "Its activation is not bounded by two codes, so it computes in float.",
        "slopes": "The layer has slopes, for which there is no integer form.",
        "constant": "Arithmetic with a constant of several numbers, which no layer takes over, "
        "computes in float.",
        "large-sums": "Sums of so many products of codes may exceed 32 bits. Computed in float.",
        "kept": "It was to be kept in float (`mbc quantize --keep-float`).",
        "model-float": "The model states scales, and has this value in float.",
        "several-scales": "The model states scales, and has results that are moved together on "
        "several of them.",
        "own-scales": "The scales of weights that the model states do not give codes of these "
        "weights, or there are none: they are quantised by the largest weight of each channel.",
        "on-codes": "The network is on codes already.",
    },
    "affine-as-layer": {
        "made-layer": "A batch norm, or arithmetic with a constant for each channel, that no layer "
        "takes over became a depthwise layer, which has a form on integers.",
    },
}
