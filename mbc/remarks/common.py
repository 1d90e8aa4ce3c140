"""Reasons that several passes have."""

from __future__ import annotations

NO_KERNEL = (
    "The backend has no kernel for the node that would come of it; the message quotes its reason. "
    "`mbc ops` lists what each backend has."
)
BUFFER = (
    "The kernel would read a concatenation whose parts must lie side by side in one buffer, but a "
    "part has other neighbours already, or is the caller's memory (an input or an output)."
)
SHARED = (
    "The value in between has other readers, or is an output: it has to be stored in any case, or "
    "would be computed twice."
)
NOT_PROFITABLE = (
    "The cost model predicts that it would take longer, or would save too little. `--fuse=always` "
    "does it all the same; measure both by `mbc bench`."
)
DISABLED = "The pass is switched off, by `--fuse=never` or its option `mode`."
VIEW = (
    "The node reads a channel view (a part, a concatenation or another order of channels), and the "
    "rewrite is only known for whole values as they are stored."
)
ELEMENT = "The layer multiplies another element than f32, such as 8-bit codes."
ACTIVATION = "An activation is between the two, or there is one already."
RESIDUAL = "The layer adds a residual, which comes between the two."
OPERAND = "The layer has an operand, such as slopes, that the algebra does not cover."
OUTPUT = (
    "It makes an output, which is the caller's memory: a whole value, in the order that callers "
    "expect."
)
IS_RESIDUAL = "The value is the residual of its reader, not what that multiplies."
PART = "The reader reads only a part of the value, or joins it with others."
OTHER_READER = "The value is read by a node of another kind than the pattern needs."
OTHER_PRODUCER = "What it reads is made by a node of another kind than the pattern needs."
UNREAD = "Nobody reads the value; `eliminate-dead-nodes` removes such nodes."
