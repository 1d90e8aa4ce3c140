"""Seeded mistakes in how shuffles, concats and splits are removed."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

VANISH = "tests/numeric/test_moves_vanish.py"
PIPELINE = f"{VANISH}::test_the_pipeline_keeps_the_answer_and_explains_every_copy"
GOLDEN = "tests/golden/test_golden.py"

_sweep = partial(Mutant, file="passes/views/plan.py", tests=VANISH)
_moves = partial(Mutant, file="passes/views/eliminate_moves.py", tests=VANISH)
_sharing = partial(Mutant, file="passes/views/colocation.py", tests=VANISH)
_ops = partial(Mutant, file="mbc/ops/move.py", tests=VANISH)
_concat = partial(Mutant, file="passes/eliminate_concat.py", tests=VANISH)

MUTANTS = (
    # what moves are as views
    _ops(
        "parts of a split begin one after the other, but the first",
        old="accumulate(sizes, initial=0)",
        new="accumulate((0, *sizes[:0]), initial=0)",
    ),
    _ops(
        "a shuffle is read as its inverse",
        old="return (x.through(ChannelMap.shuffle(groups, x.type.channels)),)",
        new="return (x.through(ChannelMap.shuffle(groups, x.type.channels).inverse()),)",
    ),
    # the sweep
    _sweep(
        "a permuted result is read through the order's inverse",
        old="ChannelView.of(node.result).through(rewrite.order)",
        new="ChannelView.of(node.result).through(rewrite.order.inverse())",
    ),
    _sweep(
        "readers do not learn that a result is permuted",
        old="        if not rewrite.order.is_identity:\n            self.plan.reads",
        new="        if False:\n            self.plan.reads",
    ),
    _sweep(
        "an order is wished over another the wrong way round",
        old="else order.after(rewrite.order)",
        new="else rewrite.order.after(order)",
        tests=GOLDEN,
    ),
    _sweep(
        "a wish forgets the order that a result has already",
        old="return order if rewrite is None else order.after(rewrite.order)",
        new="return order",
        tests=GOLDEN,
    ),
    _sweep(
        "two outputs may be one value",
        old="if not new.is_plain or new.value in taken:",
        new="if not new.is_plain:",
        tests=GOLDEN,
    ),
    _sweep(
        "an output may be permuted",
        old="if not new.is_plain or new.value in taken:",
        new="if new.values[0] in taken:",
        tests=GOLDEN,
    ),
    _sweep(
        "a split of which one part must stay is not removed for the others",
        old="if node in self._moves and not all(value in demands.kept",
        new="if node in self._moves and not any(value in demands.kept",
    ),
    _sweep(
        "operands are not rewritten",
        old="operands = tuple(plan.view(o) if isinstance(o, ChannelView) else o for",
        new="operands = tuple(o for",
    ),
    _sweep(
        "the backend is not asked for neighbours in one buffer",
        old='return Refusal("buffer", self._shared.refusal(new))',
        new="return ACCEPTED",
        tests=GOLDEN,
    ),
    _sweep(
        "the backend is not asked",
        old="support = self._backend.supports(new)",
        new="support = True",
        tests=GOLDEN,
    ),
    # the edit
    _moves(
        "outputs keep naming what moves gave",
        old="        self.graph.set_outputs(self.plan.outputs)\n",
        new="",
        tests=GOLDEN,
    ),
    _moves(
        "constants stay as they are",
        old="if new is None or new.is_identity or not isinstance(operand, Constant):",
        new="if True:",
    ),
    _moves(
        "a constant is permuted in place of the one that others share",
        old="[constant], new)",
        new="[constant], lambda array: array)",
    ),
    _moves(
        "a part that stays reads what has gone",
        old="self.plan.parts[part].substitute(copies)",
        new="self.plan.parts[part]",
        tests=GOLDEN,
    ),
    _moves(
        "a move is taken as gone when one of its results is kept",
        old="if not all(value in plan.kept for value in node.results)]",
        new="if not any(value in plan.kept for value in node.results)]",
    ),
    # neighbours
    _sharing(
        "concatenations are looked at one by one",
        old="runs([*self.views, *wanted])",
        new="runs(wanted)",
        tests=GOLDEN,
    ),
    _sharing(
        "the caller's memory can be shared",
        old="if value in self._callers:",
        new="if False:",
        tests=GOLDEN,
    ),
    # before concats
    _concat(
        "a part's share of the constants is that of the inverse",
        old="back, start = order.inverse(), 0",
        new="back, start = order, 0",
    ),
    _concat(
        "every part has the first one's share of the constants",
        old="        start += len(channels)\n",
        new="",
    ),
    _concat(
        "a part keeps the groups of the whole",
        old="return replace(op, groups=channels) if isinstance(op, Conv2d) else op",
        new="return op",
    ),
    _concat(
        "a concat that others read goes as well",
        old="if shared := why_shared(graph, move.result):",
        new='if shared := "":',
    ),
    _concat(
        "a depthwise convolution moves without its residual",
        old="return alone and [type.channels for type in types] == [node.results[0].type.channels]",
        new="return alone",
        tests=GOLDEN,
    ),
)
