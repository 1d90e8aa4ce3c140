"""Seeded mistakes in the passes that raise, fold and fuse."""

from __future__ import annotations

from functools import partial

from tests.mutants.moves import GOLDEN, PIPELINE
from tests.mutants.mutant import Mutant

NUMERIC = "tests/numeric/test_passes.py"
RANDOM = "tests/numeric/test_random_networks.py"
SCHEDULES = "tests/backends/test_schedules.py"

_raise = partial(Mutant, file="passes/raise_channel_shuffle.py", tests=NUMERIC)
_constants = partial(Mutant, file="passes/fold_constants.py", tests=NUMERIC)
_norm = partial(Mutant, file="passes/fold_batch_norm.py", tests=NUMERIC)
_affine = partial(Mutant, file="passes/fold_affine.py", tests=NUMERIC)
_chains = partial(Mutant, file="passes/fusion.py", tests=PIPELINE)
_residual = partial(Mutant, file="passes/fuse_residual_add.py", tests=NUMERIC)
_universal = partial(Mutant, file="passes/fuse_universal_bottleneck.py", tests=GOLDEN)
_activation = partial(Mutant, file="passes/fuse_activation.py", tests=NUMERIC)
_copies = partial(Mutant, file="passes/materialize_views.py", tests=NUMERIC)
_rewrite = partial(Mutant, file="passes/rewrite.py", tests="tests/unit/test_rewrite.py")

MUTANTS = (
    Mutant(
        "a residual is added before the slopes that stood before it",
        file="passes/fuse_residual_add.py",
        old='if conv["slope"] is not None:',
        new="if False:",
        tests="tests/golden/test_golden.py",
    ),
    Mutant(
        "slopes after slopes replace them",
        file="passes/fuse_activation.py",
        old='if producer["slope"] is not None:',
        new="if False:",
        tests="tests/golden/test_golden.py",
    ),
    # bottlenecks
    _universal(
        "any gain is enough to make one kernel of a block",
        old="self.mode, _block, _apart, LEAST_GAIN)",
        new="self.mode, _block, _apart)",
    ),
    _universal(
        "two separable convolutions are a block",
        old="if not is_bottleneck(expand, project):",
        new="if False:",
    ),
    _universal(
        "a block is compared with its layers alone",
        old="return min(cycles(context, nodes), together)",
        new="return cycles(context, nodes)",
    ),
    # raise
    _raise(
        "a shuffle has as many groups as channels in each",
        old="groups = _new_shape(first)[-2]",
        new="groups = _new_shape(first)[-1]",
    ),
    _raise(
        "any transpose swaps the last two axes",
        old="if perm != (*range(rank - 2), rank - 1, rank - 2):",
        new="if sorted(perm) != [*range(rank)]:",
    ),
    _raise(
        "the last reshape may give another shape",
        old="if last.result.type != before:",
        new="if False:",
    ),
    _raise(
        "a reshape that others read goes as well",
        old="for node in (first, transpose):",
        new="for node in (transpose,):",
    ),
    _raise(
        "the first reshape may split more than the channels",
        old="if len(between) < 3 or prod(between[-2:]) != before.channels:",
        new="if len(between) < 3:",
    ),
    # fold
    _constants(
        "transposes are composed the other way round",
        old="tuple(inner[axis] for axis in outer)",
        new="tuple(outer[axis] for axis in inner)",
    ),
    _constants(
        "a shuffle undoes itself",
        old="_order(first).after(order).is_identity",
        new="_order(first) == order",
        tests=GOLDEN,
    ),
    _constants(
        "an activation is left out before any other",
        old="if before != act and replaces(act, before)",
        new="if before != act",
    ),
    _norm(
        "a bias is scaled twice",
        file="mbc/ops/normalisation.py",
        old="return scale, beta - mean * scale",
        new="return scale, (beta - mean) * scale",
    ),
    _norm(
        "a batch norm is folded into a layer with an activation",
        old="if layer.op.act is not None:",
        new="if False:",
    ),
    _affine(
        "a scale is folded into a layer with an activation",
        old='activated = "" if layer.op.act is None else f"has act={layer.op.act}"',
        new='activated = ""',
    ),
    _affine(
        "a shift goes into a layer with padding",
        old="if affine.shift and padded else ACCEPTED",
        new="if False else ACCEPTED",
    ),
    _affine(
        "what is activated goes into the layer after it",
        old='activated = "" if op.act is None else f"reads act={op.act} of it"',
        new='activated = ""',
    ),
    _affine(
        "the results of a layer are scaled beside a residual",
        old="_refusal(layer, SCALED)",
        new="_refusal(layer, READING)",
    ),
    _affine(
        "values are scaled for all their users",
        old="_refusal(layer, SCALED) or shared",
        new="_refusal(layer, SCALED)",
    ),
    _affine(
        "a divisor of zero is folded",
        old="and np.all(constant.data)",
        new="and True",
    ),
    _affine(
        "a difference keeps its sign",
        old="scale=lambda c: -np.ones(1),",
        new="scale=lambda c: np.ones(1),",
    ),
    _affine(
        "groups of inputs share a scale",
        old="numbers.reshape(groups, per_group).T",
        new="numbers.reshape(per_group, groups)",
    ),
    _affine(
        "a layer that reads a part is scaled as a whole",
        old='if not layer.view("x").is_plain:',
        new="if False:",
    ),
    # fuse
    _chains(
        "a reader of a part works on the whole",
        old="if not view.is_single:",
        new="if False:",
        tests=GOLDEN,
    ),
    _chains(
        "a fused body forgets the order in which it reads",
        old="            return view.substitute(self._inner)",
        new="            return self._inner[view.values[0]]",
        tests=GOLDEN,
    ),
    _chains(
        "a fused node may need neighbours that cannot be",
        old=".refusal(fused):",
        new=".refusal(nodes[0]):",
        tests=GOLDEN,
    ),
    _residual(
        "an add gives its first operand as the residual, whichever is the convolution",
        old="for view, other in ((a, b), (b, a)):",
        new="for view, other in ((a, a), (b, a)):",
    ),
    _residual(
        "an add goes into a convolution with an activation",
        old="if conv.op.act is not None:",
        new="if False:",
    ),
    _activation(
        "an activation takes the place of another",
        old="if producer.op.act is not None:",
        new="if False:",
    ),
    _activation(
        "an activation is taken out of the way of other readers",
        old="if shared := why_shared(graph, producer.result):",
        new='if shared := "":',
    ),
    # copy
    _copies(
        "a copy is read through the view that it was made for",
        old="copies[role] = ChannelView.of(copy)",
        new="copies[role] = ChannelView.of(copy).through(node.view(role).order)",
    ),
    _copies(
        "all views share the first copy",
        old="        return self.copies[view]",
        new="        return next(iter(self.copies.values()))",
    ),
    _rewrite(
        "derived constants may have one name",
        old="        self._taken.add(name)\n",
        new="",
    ),
    Mutant(
        "a schedule that a node carries is chosen again",
        "passes/choose_schedules.py",
        old="            if node.schedule:",
        new="            if False:",
        tests=GOLDEN,
    ),
    Mutant(
        "a schedule that no kernel can have is taken",
        "mbc/targets/backend.py",
        old="if node.schedule is None or node.schedule in backend.candidates(node):",
        new="if True:",
        tests=GOLDEN,
    ),
    Mutant(
        "a copy of a graph loses its schedules",
        "mbc/ir/graph.py",
        old="new.scratch, new.schedule = node.scratch, node.schedule",
        new="new.scratch = node.scratch",
        tests=SCHEDULES,
    ),
    *(
        Mutant(
            f"{what} do not follow the schedule",
            f"backends/llvm/kernels/{file}.py",
            old=f"isinstance({node}schedule, {kind})",
            new="False",
            tests=SCHEDULES,
        )
        for what, file, node, kind in (
            ("panels", "linear", "node.", "Panels"),
            ("turns of chains", "chain", "node.", "Turns"),
            ("turns of patches", "patches", "node.", "Turns"),
            ("blocks of channels", "windows", "", "ChannelBlocks"),
        )
    ),
    Mutant(
        "Strassen's method is used however little it saves",
        "passes/use_strassen.py",
        old="gain) if saved < WORTH else",
        new="gain) if saved <= 0 else",
        tests=GOLDEN,
    ),
)
