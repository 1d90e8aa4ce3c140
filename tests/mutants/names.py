"""Seeded mistakes in the names and origins of values."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

GOLDEN = "tests/unit/test_origins.py::test_golden_cases_are_accounted_for"
RANDOM = "tests/unit/test_origins.py::test_each_pass_accounts_for_random_graphs"
TEXT = "tests/unit/test_text_roundtrip.py::test_names_and_origins_come_back"
MERGED = "tests/unit/test_rewrite.py::test_a_merged_node_has_the_name_of_the_last"
BODY = "tests/unit/test_rewrite.py::test_a_value_with_the_name_of_an_input_has_another_in_a_body"
FRESH = "tests/unit/test_text_roundtrip.py::test_a_number_that_text_has_is_no_fresh_name"
DSL = "tests/unit/test_dsl_names.py"

_names = partial(Mutant, file="mbc/ir/names.py", tests=DSL)
_graph = partial(Mutant, file="mbc/ir/graph.py", tests=GOLDEN)
_value = partial(Mutant, file="mbc/ir/views.py", tests=BODY)

MUTANTS = (
    _names(
        "a fresh name may be one that is taken",
        old="        if name in self._taken:\n",
        new="        if name in self._next:\n",
    ),
    _names(
        "a number after a digit is not set off",
        old='f"{wanted}_" if wanted[-1:].isdigit() else wanted',
        new="wanted",
    ),
    _names(
        "a name that needs quotes has none",
        old='return f"%{name}" if VALUE.fullmatch(name) else',
        new='return f"%{name}" if name else',
        tests=TEXT,
    ),
    _graph(
        "a clone loses origins",
        old="                result.stand_for(old)\n",
        new="",
        tests=TEXT,
    ),
    _graph(
        "a clone's inputs lose origins",
        old="            moved[value].value.stand_for(value)\n",
        new="",
        tests=TEXT,
    ),
    _graph(
        "a clone may name a new value as one that is gone",
        old="        copy._names = self._names.copy()\n",
        new="",
        tests=FRESH,
    ),
    _graph(
        "what is read instead of a value does not account for it",
        old="            other.account_for(value.origins)\n",
        new="            pass\n",
    ),
    _graph(
        "a node in place of another has a name of its own",
        old="        new.name = value.name\n",
        new="",
        tests=MERGED,
    ),
    _graph(
        "a node in place of another loses origins",
        old="        new.stand_for(value)\n",
        new="",
    ),
    _value(
        "what stands for a value under another name is one of the network",
        old="self.is_added = other.is_added or renamed",
        new="self.is_added = other.is_added",
    ),
    Mutant(
        "a merge loses origins",
        file="passes/rewrite.py",
        old="    account(new.results, results(absorbed), earlier=True)\n",
        new="",
        tests=GOLDEN,
    ),
    Mutant(
        "what a pass adds is a value of the network",
        file="passes/rewrite.py",
        old="    new.result.is_added = True\n",
        new="",
        tests=RANDOM,
    ),
    Mutant(
        "a move that goes is accounted for by nothing",
        file="passes/views/eliminate_moves.py",
        old="                account(self.plan.reads[value].values, [value])\n",
        new="                pass\n",
        tests=GOLDEN,
    ),
    Mutant(
        "values in a fused body lose origins",
        file="passes/fusion.py",
        old="        new.result.stand_for(node.result)\n",
        new="",
        tests="tests/golden/test_golden.py",
    ),
    Mutant(
        "two values may have one name",
        file="mbc/ir/verify.py",
        old="    for name in _repeated(value.name for value in defined):\n",
        new="    for name in _repeated(value.name for value in ()):\n",
        tests="tests/unit/test_verify.py",
    ),
    Mutant(
        "text forgets what a pass added",
        file="mbc/ir/text/printer.py",
        old='added = " added" if value.is_added else ""',
        new='added = ""',
        tests=TEXT,
    ),
    Mutant(
        "a number among the origins is a fresh name",
        file="mbc/ir/text/operands.py",
        old="            self.graph.reserve_names(declared.absorbed)\n",
        new="",
        tests=FRESH,
    ),
    Mutant(
        "a layer whose name another begins with is part of that",
        file="mbc/ops/cost.py",
        old='(".".join(words[:count]) for count in range(1, len(words)))',
        new="(name[:count] for count in range(1, len(name)))",
        tests="tests/unit/test_report.py",
    ),
)
