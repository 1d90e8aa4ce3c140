"""E030x: IR text and the verifier."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0301": Code(
        title="IR text holds an unexpected character",
        cause="The file is not IR text, is not UTF-8, or has a stray character or an open string.",
        example="%0 = relu(%x) ; f32[1,4,4,8]",
        cure="Remove what the caret shows. docs/ir.md has the grammar.",
    ),
    "E0302": Code(
        title="IR text does not follow the grammar",
        cause="Something else was expected at the caret.",
        example="%0 = relu(%x : f32[1,4,4,8]",
        cure="Write what the message names. docs/ir.md has the grammar.",
    ),
    "E0303": Code(
        title="unknown op",
        cause="IR text uses an op that does not exist.",
        example="%0 = conv(%x, @w) : f32[1,4,4,8]",
        cure="`mbc ops` lists the ops.",
    ),
    "E0304": Code(
        title="unknown, repeated or malformed attribute",
        cause="The op has no such attribute, has it already, or takes another kind of value.",
        example="%0 = conv2d(%x, @w) {stride=2} : f32[1,2,2,8]",
        cure="`mbc ops` lists the attributes; a stride is a pair, as in stride=(2,2).",
    ),
    "E0305": Code(
        title="a name is not defined, or is defined twice",
        cause="A value or constant is used before its definition, or two have the same name.",
        example="%0 = relu(%y) : f32[1,4,4,8]",
        cure="Define each name once, above its first use. A fused body sees its own inputs only. "
        "In a pass: take new names from `graph.fresh_name`.",
    ),
    "E0306": Code(
        title="a number or a nesting is out of limits",
        cause="IR text names a tensor, a view or a depth beyond what any network needs.",
        example="graph @g(%x: f32[1,4,4,99999999999]) {",
        cure="Correct the number.",
    ),
    "E0307": Code(
        title="a type is not the one that the op infers",
        cause="The type written after a node is not the one that its op infers from its operands; "
        "or the data of a constant has another shape than its type.",
        example="%0 = global_avg_pool(%x) : f32[1,1,1,8]",
        cure="Write the type that the message names, or change the op.",
    ),
    "E0308": Code(
        title="operands or results do not fit the op",
        cause="An operand is missing, is one too many, or is a constant where a value must stand; "
        "or there are more or fewer results than names for them.",
        example="%0 = conv2d(%x) : f32[1,4,4,8]",
        cure="`mbc ops` lists the operands. Weights are constants, all others are values.",
    ),
    "E0309": Code(
        title="a channel view does not fit what it reads",
        cause="A slice or an order names channels that are not there, or a view joins values of "
        "different height, width or batch.",
        example="%1 = relu(%0[0:29]) : f32[1,4,4,29]   // where %0 has 24 channels",
        cure="Channels count from 0, and the end of a run is excluded.",
    ),
    "E0310": Code(
        title="the graph is not well formed",
        cause="A value depends on itself, belongs to another graph, or nothing is returned.",
        example="a pass that reads a value of the graph it cloned",
        cure="In a pass: edit the graph through its methods only. In text: return a value.",
    ),
    "E0311": Code(
        title="two constants have the same name",
        cause="A pass made a constant under a name that is taken.",
        example="two convolutions folded to weights named @conv.weight",
        cure="In a pass: derive constants by `ConstantMaker` (mbc/passes/rewrite.py), which gives "
        "them new names.",
    ),
    "E0312": Code(
        title="a name is not an identifier",
        cause="Inputs, outputs and fusions need names of letters, digits and underscores that do "
        "not begin with a digit, as C code is made from them.",
        example="graph @g(%0: f32[1,4,4,8]) {",
        cure="Rename it.",
    ),
    "E0313": Code(
        title="a value lies outside the arena",
        cause="An offset is negative, or the tensor ends beyond the arena.",
        example="arena 64 and %0 = relu(%x) : f32[1,4,4,8] at 0",
        cure="Remove `arena` and `at` from text written by hand; plan-memory computes them.",
    ),
    "E0320": Code(
        title="the constants of a dump cannot be read",
        cause="The text names data by hashes, and the constants.safetensors beside it is missing "
        "or damaged.",
        example="mbc opt net.mbc   # copied without constants.safetensors",
        cure="Keep the file beside its constants.safetensors, or delete the hashes to work "
        "without weights.",
    ),
    "E0321": Code(
        title="the constants of a dump are not those that the text names",
        cause="constants.safetensors comes from another compilation, or was changed.",
        example="a dump of alpha=0.5 beside the constants of alpha=1.0",
        cure="Write the dumps again with `--dump-ir`.",
    ),
}
