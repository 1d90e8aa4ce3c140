"""E051x: passes and pipelines."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0510": Code(
        title="unknown pass",
        cause="A list of passes (`--passes`, `mbc opt -p`, `--print-ir-after`) names a pass that "
        "mbc does not have.",
        example="mbc opt net.mbc -p fold-batchnorm",
        cure="`mbc passes` lists the passes; their names are verbs with hyphens.",
    ),
    "E0511": Code(
        title="unknown option of a pass",
        cause="The braces after a pass set its options, and this pass has none of that name.",
        example="mbc opt net.mbc -p 'fuse-depthwise-pointwise{mod=always}'",
        cure="`mbc passes` lists each pass with its options and their defaults.",
    ),
    "E0512": Code(
        title="an option of a pass cannot have this value",
        cause="The option takes one of a few words, or a number, or true or false; the value is "
        "none of these.",
        example="mbc opt net.mbc -p 'fuse-depthwise-pointwise{mode=sometimes}'",
        cure="The message says what is expected.",
    ),
    "E0513": Code(
        title="a list of passes that cannot be read",
        cause="Passes are separated by commas; each may be followed by its options in braces, "
        "`name{option=value,option=value}`. A brace is missing, or something stands in between.",
        example="mbc opt net.mbc -p 'fuse-depthwise-pointwise{mode=always'",
        cure="Close the brace, and put the list in quotes so that the shell leaves it alone.",
    ),
    "E0514": Code(
        title="unknown stage",
        cause="`--stop-after` names a stage that the pipeline does not have.",
        example="mbc compile net.py --stop-after fusion",
        cure="The stages are import, canonicalize, fuse, plan, lower and emit.",
    ),
    "E0515": Code(
        title="values cannot lie side by side",
        cause="Kernels read some operands from one buffer only, so the values of a concatenation "
        "that they read must lie side by side in it. A value that is an input of the network lies "
        "in the caller's memory; and no value can have two neighbours on one side. mbc's own "
        "passes make no such concatenation, but IR text may hold one.",
        example="%2 = conv2d(%x, @w) {residual=[%0, %1]} : f32[1,8,8,16]  // elsewhere [%0, %3]",
        cure="Write `concat(%0, %1)` and read its result.",
    ),
    "E0516": Code(
        title="a node cannot have its schedule",
        cause="IR text says how a kernel computes a node, and the backend's kernel cannot: the "
        "text was planned for another target, or edited.",
        example="%1 = dense(%0, @w) : f32[1,1000] schedule turns{rows=4}",
        cure="Delete `schedule …`, and the backend chooses; or write one of the candidates.",
    ),
    "E0517": Code(
        title="no kernel for an op",
        cause="numpy evaluates every op, and CPUs have kernels for each that is computed in f32. "
        "Not all of them have kernels for GPUs, or a form in ONNX. A fused body in "
        "text may be none that the backend runs as one kernel.",
        example="mbc compile net.py --target opencl",
        cure="`mbc ops --backends` lists the ops of each backend. Build for a CPU, or write the "
        "layer with others.",
    ),
}
