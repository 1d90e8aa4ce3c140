"""Seeded mistakes in the page of `mbc inspect --html`, in Python and in JavaScript."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

APP = "mbc/inspect/assets/app"
REPORT = "tests/browser/test_report.py"
PAGE = "tests/browser/test_page.py"

_measured = partial(Mutant, file="mbc/inspect/measured.py", tests=PAGE)

MUTANTS = (
    Mutant(
        "a name can close the title",
        "mbc/inspect/page.py",
        old='"TITLE": escape(f"{data',
        new='"TITLE": str(f"{data',
        tests=PAGE,
    ),
    Mutant(
        "a page asks for source maps",
        "mbc/inspect/libraries.py",
        old='if not line.startswith("//# sourceMappingURL=")',
        new="if line is not None",
        tests=PAGE,
    ),
    _measured(
        "a profile of other kernels is taken",
        old="    if measured == ours:\n",
        new="    if True:\n",
    ),
    _measured(
        "losses of another network are taken",
        old="    if other is not None:\n",
        new="    if False:\n",
    ),
    Mutant(
        "a node is not followed through passes",
        f"{APP}/model.js",
        old="if (node.data?.origins.includes(name)) return node.name;",
        new="",
        tests=f"{REPORT}::test_a_node_is_found_and_followed",
    ),
    Mutant(
        "equal blocks stay apart",
        f"{APP}/fold.js",
        old="last?.[0].sign === item.sign",
        new="false",
        tests=f"{REPORT}::test_equal_blocks_in_a_row_are_one_box",
    ),
    Mutant(
        "a graph that is too deep is not drawn",
        f"{APP}/layout.js",
        old=".catch(() => stacked(job))",
        new="",
        tests=f"{REPORT}::test_a_graph_of_a_thousand_nodes",
    ),
    Mutant(
        "lines of one name are not paired",
        f"{APP}/ircode.js",
        old="if (partner === undefined || partner < next)",
        new="if (true)",
        tests=f"{REPORT}::test_differences_are_those_of_the_texts",
    ),
    Mutant(
        "the page stays as bright as it was",
        f"{APP}/theme.js",
        old='  dark.addEventListener("change", show);\n',
        new="",
        tests=f"{REPORT}::test_dark_and_light",
    ),
    Mutant(
        "layers are sorted one way only",
        f"{APP}/layersview.js",
        old="return this.sorting.down ? rows.reverse() : rows;",
        new="return rows;",
        tests=f"{REPORT}::test_layers_are_sorted_by_any_column",
    ),
)
