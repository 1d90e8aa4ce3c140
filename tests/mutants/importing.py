"""Seeded mistakes in how models of other formats are read."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

OPTIONS = "tests/numeric/test_onnx_options.py"
QUANTISED = "tests/numeric/test_onnx_quantised.py"
HOSTILE = "tests/hostile/test_onnx_files.py"

_cut = partial(Mutant, file="frontends/onnx/importer/cut.py", tests=OPTIONS)
_data = partial(Mutant, file="frontends/onnx/importer/external.py", tests=HOSTILE)
_ranges = partial(Mutant, file="frontends/onnx/importer/quantisation.py", tests=QUANTISED)
_codes = partial(Mutant, tests="tests/numeric/test_onnx_codes.py")
_functions = partial(Mutant, file="frontends/onnx/importer/functions.py", tests=HOSTILE)
_folding = partial(Mutant, file="frontends/onnx/importer/folding.py", tests=HOSTILE)
_archive = partial(
    Mutant, file="frontends/torch/archive.py", tests="tests/unit/test_pt2_archives.py"
)

MUTANTS = (
    _archive(
        "guards of a program are evaluated",
        old='    if isinstance(program, dict) and program.get("guards_code"):',
        new='    if isinstance(program, dict) and program.get("guards"):',
    ),
    _archive(
        "expressions of a program are evaluated",
        old='        if "expr_str" in found:',
        new='        if "expr_str" in program:',
    ),
    _archive(
        "any function of PyTorch is an op",
        old="    return target.startswith(OWN) or",
        new='    return target.startswith("torch.") or',
    ),
    _archive(
        "a library is loaded with the program",
        old='name.startswith("data/aotinductor/")',
        new='name.startswith("aotinductor/")',
    ),
    _archive(
        "pickled weights are loaded",
        old='        if found.get("use_pickle") or',
        new="        if",
    ),
    _archive(
        "a file may unpack to any size",
        old="entry.compress_type != zipfile.ZIP_STORED",
        new="entry.file_size > MAX_JSON",
    ),
    _cut(
        "a model may need more inputs than are named",
        old="    refuse_missing([v.name for",
        new="    ([v.name for",
    ),
    _cut(
        "an absent operand is a value that is needed",
        old='            wanted |= {*node.input} - {""}\n',
        new="            wanted |= {*node.input}\n",
    ),
    _cut(
        "shapes of the model's own inputs say nothing of a part of it",
        old="        set_shapes(before, options.shapes)\n",
        new="",
    ),
    Mutant(
        "channels that come first are moved nowhere",
        file="frontends/lowering/walk.py",
        old="    return b.moved_by(Transpose(IMAGE), given)",
        new="    return b.reshaped(given, type.shape)",
        tests=OPTIONS,
    ),
    Mutant(
        "every input is an image",
        file="mbc/runtime/abi.py",
        old="== PLANAR and len(io.shape) == 4",
        new="== PLANAR",
        tests=OPTIONS,
    ),
    _data(
        "links may leave the folder",
        old="    if not inside:\n",
        new="    if not paths:\n",
    ),
    _data(
        "a pipe is a file",
        old="            if not stat.S_ISREG(found.st_mode):\n",
        new="            if stat.S_ISDIR(found.st_mode):\n",
    ),
    _data(
        "data may end anywhere",
        old="            if offset + length > found.st_size:\n",
        new="            if False:\n",
    ),
    _data(
        "one part of a file is as much data as it is read",
        old="        total += _bytes(tensor)\n",
        new="        total = _bytes(tensor)\n",
    ),
    _codes(
        "formulas reach beyond what is rounded",
        file="frontends/lowering/formulas.py",
        old="        if formula and last.outputs[0] in model.elements:",
        new="        if False:",
    ),
    _codes(
        "a value is rounded for each that reads it",
        file="frontends/onnx/importer/quantisation.py",
        old="        if known == result or result in self._outputs:",
        new="        if True:",
    ),
    _codes(
        "scales of any axis are those of output channels",
        file="frontends/onnx/importer/steps.py",
        old="fits = (scales.size == 1 or scaled[name].axis == axis) and",
        new="fits =",
    ),
    _codes(
        "the code -128 stays",
        file="frontends/onnx/importer/steps.py",
        old="        codes[lowest] = -MOST\n",
        new="",
    ),
    Mutant(
        "what is computed takes the codes of what it is moved to",
        file="frontends/lowering/clips.py",
        old="if x in self._codes or self._readers[x] > 1 or maker is None or maker.kind in MOVES:",
        new="if maker is None:",
        tests="tests/unit/test_idle_clips.py",
    ),
    _ranges(
        "a range is symmetric",
        file="frontends/onnx/importer/quantised_ops.py",
        old="(limits.min, limits.max))\n",
        new="(-limits.max, limits.max))\n",
    ),
    _ranges(
        "any scale is that of the value",
        old="        if self._parameters(node, 1, known.dtype) != known:\n",
        new="        if False:\n",
    ),
    _ranges(
        "integers may be computed with",
        old="""            if node.op_type not in (*MOVES, "Pad") or""",
        new="            if",
    ),
    _ranges(
        "a bias has the scale of the weights",
        old="np.float32(alpha) * scales[0].reshape(()) * scales[1]",
        new="np.float32(alpha) * scales[1]",
    ),
    Mutant(
        "a clip is left out whose operand others read",
        file="frontends/lowering/clips.py",
        old="or self._readers[node.inputs[0]] > 1:",
        new="or False:",
        tests="tests/unit/test_idle_clips.py",
    ),
    Mutant(
        "an average counts no zeros",
        file="frontends/lowering/clips.py",
        old="return Range(min(low, 0), max(high, 0))",
        new="return Range(low, high)",
        tests="tests/unit/test_idle_clips.py",
    ),
    Mutant(
        "one bound is enough for a clip to change nothing",
        file="frontends/lowering/clips.py",
        old="if not (bounds.low <= low and high <= bounds.high) or",
        new="if not (bounds.low <= low or high <= bounds.high) or",
        tests="tests/unit/test_idle_clips.py",
    ),
    _functions(
        "a function may call itself",
        old="            if key in above:\n",
        new="            if False:\n",
    ),
    _functions(
        "a call is one node",
        old="            total += sizes[key]\n",
        new="            total += 1\n",
        tests=f"{HOSTILE}::test_nodes_of_functions_are_bounded",
    ),
    _folding(
        "constants may be of any size",
        old="            if size > max(MAX_FOLDED, unknown):\n",
        new="            if False:\n",
        tests=f"{HOSTILE}::test_constants_that_grow_are_bounded",
    ),
    _folding(
        "many constants may be of any size",
        old="        if self._total > MAX_TOTAL:\n",
        new="        if False:\n",
        tests=f"{HOSTILE}::test_folded_constants_are_bounded_in_all",
    ),
    Mutant(
        "long values are followed",
        file="frontends/onnx/importer/long_values.py",
        old="        elif len(extents) == 1 and extents[0] > LONG:\n",
        new="        elif False:\n",
        tests="tests/unit/test_long_values.py",
    ),
    Mutant(
        "an input may have any number of channels",
        file="frontends/lowering/walk.py",
        old="    refuse_large(type)\n",
        new="",
        tests=HOSTILE,
    ),
    Mutant(
        "the numbers of a function are operands",
        file="frontends/onnx/kernels.py",
        old="name not in made and name not in numbers",
        new="name not in made",
        tests="tests/numeric/test_onnx_after.py",
    ),
    Mutant(
        "the network is exported after the first pass",
        file="mbc/passmgr/pipeline.py",
        old="    left, stages = runs[-1] + 1, list[Stage]()\n",
        new="    left, stages = 1, list[Stage]()\n",
        tests="tests/numeric/test_onnx_after.py",
    ),
    Mutant(
        "operands may be missing",
        file="frontends/onnx/importer/structure.py",
        old="        if len(given) < schema.min_input or",
        new="        if",
        tests=HOSTILE,
    ),
)
