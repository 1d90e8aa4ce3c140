"""A report in use, by mouse and keyboard, in light and in dark, and by axe's rules."""

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.opened import DRAWN, VIEWS, Opened, data_of, save

LAYER = "stage2.1.pw1.relu"
FEW = 14
"""A stage that changes few nodes."""
SERIOUS = {"serious", "critical"}


def place(opened: Opened, box: str) -> tuple[float, float]:
    """The middle of a box of the graph, on the screen."""
    x, y = opened.page.evaluate(
        """(id) => {
          const { graph } = report.views, box = graph.scene.boxes.find((box) => box.id === id);
          const [x, y] = graph.transform.apply([box.x, box.y]);
          const corner = graph.canvas.getBoundingClientRect();
          return [corner.x + x, corner.y + y];
        }""",
        box,
    )
    return x, y


def boxes(opened: Opened) -> list[str]:
    """The boxes that the graph has."""
    found: list[str] = opened.page.evaluate("report.views.graph.scene.boxes.map((box) => box.id)")
    return found


def test_the_first_screen_says_what_it_is(
    report: Path, shuffled: dict[str, Any], opened: Opened
) -> None:
    opened.open(report)
    text = opened.text("#view-overview")
    assert "Raspberry Pi 4" in text
    assert "limits it" in text
    assert "changed most" in text
    figures = opened.page.locator(".figure .value").all_inner_texts()
    ms = shuffled["totals"]["ms"]
    assert float(figures[0].split()[0]) == pytest.approx(ms if ms > 0.1 else 1e3 * ms, rel=0.01)
    assert figures[-1] == str(shuffled["totals"]["nodes"])


def test_the_slider_goes_through_the_passes(
    report: Path, shuffled: dict[str, Any], opened: Opened
) -> None:
    opened.open(report, "view=graph&stage=0")
    slider, stages = opened.page.get_by_role("slider", name="Pass"), shuffled["stages"]
    for stage in stages[1:]:
        slider.press("ArrowRight")
        assert opened.text(".passline b").split() == [str(stage["index"]), stage["name"]]
        assert slider.get_attribute("aria-valuetext") == f"{stage['index']}: {stage['name']}"
    opened.page.keyboard.press("[")
    assert opened.state("stage") == len(stages) - 2
    opened.page.locator(".bars i").nth(1).click()
    assert opened.state("stage") == 1


def test_a_node_is_found_and_followed(report: Path, opened: Opened) -> None:
    opened.open(report, "view=graph&stage=0")
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("stage2.1.pw1")
    assert opened.page.locator("#found li").count() == 3  # the convolution, its norm, its relu
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        opened.page.keyboard.press(key)
    assert opened.state("node") == "stage2.1.pw1.bn"
    inspector = opened.page.locator("#inspector")
    assert "stage2.1.pw1.bn.gamma" in inspector.inner_text()
    assert inspector.locator(".source .lit").count() >= 1
    opened.page.locator("#graph").focus()
    for _ in range(40):
        opened.page.keyboard.press("]")
    assert opened.state("node") == LAYER
    assert "stage2.1.pw1.weight" in inspector.inner_text()


def test_a_click_selects_and_a_double_click_opens(report: Path, opened: Opened) -> None:
    opened.open(report, "view=graph&stage=0")
    opened.page.wait_for_function(DRAWN)
    x, y = place(opened, "input")
    opened.page.mouse.click(x, y)
    assert opened.state("node") == "input"
    folded = boxes(opened)
    group = next(box for box in folded if box.startswith("block:stem"))
    x, y = place(opened, group)
    opened.page.mouse.dblclick(x, y)
    opened.page.wait_for_function(
        "(many) => report.views.graph.scene.boxes.length > many", arg=len(folded)
    )
    assert group not in boxes(opened)
    assert "stem.conv" in boxes(opened)


def test_equal_blocks_in_a_row_are_one_box(
    report: Path, shuffled: dict[str, Any], opened: Opened
) -> None:
    opened.open(report, "view=graph&stage=0")
    opened.page.wait_for_function(DRAWN)
    assert "run:block:stage3.1:1" in boxes(opened)  # stage3.1 to stage3.7
    nodes = len(shuffled["graphs"][0]["nodes"])
    assert len(boxes(opened)) < 0.2 * nodes
    opened.page.get_by_role("button", name="All nodes").click()
    opened.page.wait_for_function(
        "(many) => report.views.graph.scene.boxes.length === many", arg=nodes + 2
    )


def test_the_keyboard_walks_through_the_graph(report: Path, opened: Opened) -> None:
    opened.open(report, "view=graph&stage=0")
    opened.page.wait_for_function(DRAWN)
    opened.page.locator("#graph").focus()
    opened.page.keyboard.press("ArrowDown")
    assert opened.state("node") == "input"
    opened.page.keyboard.press("ArrowDown")
    assert "stem" in (opened.page.locator("#announcer").text_content() or "")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_function("() => report.state.node === 'stem.conv'")
    opened.page.wait_for_function(  # the group is laid out anew
        "() => report.views.graph.scene.owner.get('stem.conv.bn')"
        " !== report.views.graph.scene.owner.get('stem.conv')"
    )
    opened.page.keyboard.press("ArrowDown")
    assert opened.state("node") == "stem.conv.bn"
    opened.page.keyboard.press("ArrowUp")
    opened.page.keyboard.press("Escape")
    assert opened.state("node") is None


def test_differences_are_those_of_the_texts(
    report: Path, shuffled: dict[str, Any], opened: Opened
) -> None:
    stage = next(s for s in shuffled["stages"] if s["name"] == "fuse-activation")
    graphs = [shuffled["graphs"][stage["graph"] - 1], shuffled["graphs"][stage["graph"]]]
    before, after = ([*graph["text"].splitlines()] for graph in graphs)
    opened.open(report, f"view=ir&stage={stage['index']}")
    for side, ours, theirs in (("removed", before, after), ("added", after, before)):
        shown = opened.page.locator(f".side.{side} code").all_text_contents()
        assert shown
        assert sorted(shown) == sorted(line for line in ours if line not in theirs)
    words = opened.page.locator(f'.side.added[data-name="{LAYER}"] .word').all_text_contents()
    assert "act" in words


def test_layers_are_sorted_by_any_column(
    report: Path, shuffled: dict[str, Any], opened: Opened
) -> None:
    opened.open(report, "view=layers")
    column = opened.page.get_by_role("columnheader", name="multiply-adds")
    column.get_by_role("button").click()
    assert column.get_attribute("aria-sort") == "descending"
    nodes = shuffled["graphs"][-1]["nodes"]
    most = max(nodes, key=lambda node: node["macs"])
    assert opened.text(".layers tbody th") == most["name"]
    opened.page.locator("#filter").fill("fc")
    assert opened.page.locator(".layers tbody tr").count() == sum(
        "fc" in node["name"] for node in nodes
    )
    opened.page.locator(".layers tbody button").first.click()
    assert "fc.weight" in opened.text("#inspector")


def test_owners_of_the_peak(report: Path, shuffled: dict[str, Any], opened: Opened) -> None:
    opened.open(report, "view=memory")
    alive = [holding for holding in shuffled["memory"]["holdings"] if holding["at_peak"]]
    assert opened.page.locator(".owners tbody tr").count() == len(alive)
    drawn = opened.page.locator(".view:not([hidden]) .arena rect[data-name]").count()
    assert drawn == len(shuffled["memory"]["holdings"])


def test_measured_beside_predicted(
    shuffled: dict[str, Any], tmp_path: Path, opened: Opened
) -> None:
    layers = [
        {"name": node["name"], "ms": 2 * node["roofline"]["ms"]}
        for node in shuffled["graphs"][-1]["nodes"]
    ]
    profile = {"ms_median": 12.5, "threads": 1, "target": "rpi4", "layers": layers}
    opened.open(save(shuffled | {"profile": profile}, tmp_path))
    assert "12.5 ms" in opened.text(".figure .value")
    opened.show("layers")
    assert {*opened.page.locator(".layers td.ratio").all_inner_texts()} == {"2"}


def test_losses_on_codes(shuffled: dict[str, Any], tmp_path: Path, opened: Opened) -> None:
    layers = {
        "stage2.1.pw1.relu": {"alone": 43.2, "total": 31.5},
        "fc": {"alone": None, "total": 27.5},
    }
    losses = {"layers": layers, "outputs": {"output": 27.5}}
    opened.open(save(shuffled | {"losses": losses}, tmp_path), f"view=layers&node={LAYER}")
    row = opened.page.locator(f'.layers tr[data-name="{LAYER}"]')
    assert row.locator(".alone").inner_text() == "43.2"
    assert row.locator(".total").inner_text() == "31.5"
    assert "43.2 dB" in opened.text("#inspector")
    opened.show("overview")
    assert "27.5 dB" in opened.text(".figures")


def test_without_source(shuffled: dict[str, Any], tmp_path: Path, opened: Opened) -> None:
    file = save(shuffled | {"sources": None}, tmp_path)
    opened.open(file, f"view=graph&node={LAYER}")
    assert "left out" in opened.text("#inspector")


def test_dark_and_light(report: Path, opened: Opened) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    opened.open(report)
    light = opened.page.evaluate(paper)
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_function(f"(light) => {paper} !== light", arg=light)
    dark = opened.page.evaluate(paper)
    theme = opened.page.get_by_role("button", name=re.compile("Colours"))
    theme.click()  # light, whatever the system says
    assert opened.page.evaluate(paper) == light
    theme.click()
    assert opened.page.evaluate(paper) == dark


def test_on_paper_all_views_follow_one_another(report: Path, opened: Opened) -> None:
    opened.open(report, "view=graph")
    opened.page.wait_for_function(DRAWN)
    opened.page.emulate_media(media="print")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for view in VIEWS:
        assert opened.page.locator(f"#view-{view}").is_visible()
    assert opened.page.locator(".picture").is_visible()
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.locator("#view-layers").is_hidden()


def faults(opened: Opened, **options: Any) -> list[tuple[str, str]]:
    """Serious faults by axe's rules: the rule, and the element."""
    found = Axe().run(opened.page, options={"resultTypes": ["violations"], **options})
    serious = [fault for fault in found.response["violations"] if fault["impact"] in SERIOUS]
    return [(fault["id"], node["html"]) for fault in serious for node in fault["nodes"]]


def test_axe_finds_no_serious_fault(report: Path, opened: Opened) -> None:
    opened.open(report, f"stage={FEW}")
    for view in VIEWS:
        opened.show(view)
        assert faults(opened) == [], view
    opened.open(report, f"view=graph&stage={FEW}&node={LAYER}")
    assert faults(opened) == []
    opened.page.locator("#help").click()
    assert faults(opened) == []


def test_colours_differ_enough_in_the_dark(report: Path, opened: Opened) -> None:
    opened.page.emulate_media(color_scheme="dark")
    opened.open(report, f"stage={FEW}&node={LAYER}")
    for view in ("overview", "ir", "layers"):
        opened.show(view)
        assert faults(opened, runOnly=["color-contrast"]) == [], view


LONG = """\
from mbc.frontends.dsl import Net, Tensor, network


@network
def long(nn: Net) -> Tensor:
    x = first = nn.input(4, 4, 4)
    for i in range(500):
        with nn.scope(f"part{i % 9}"):
            x = nn.relu(nn.pointwise(x, 4))
    return END
"""


@pytest.mark.parametrize(
    ("end", "more"), [("x", 2), ("nn.add(x, first)", 3)], ids=["chain", "too deep for dagre"]
)
def test_a_graph_of_a_thousand_nodes(end: str, more: int, tmp_path: Path, opened: Opened) -> None:
    (tmp_path / "long.py").write_text(LONG.replace("END", end))
    data = data_of(tmp_path / "long.py", target="rpi4", stop_after="import")
    opened.open(save(data, tmp_path), "view=graph")
    opened.page.wait_for_function(DRAWN)
    opened.page.get_by_role("button", name="All nodes").click()
    opened.page.wait_for_function(
        "(more) => report.views.graph.scene.boxes.length === 1000 + more", arg=more
    )
    opened.page.get_by_role("button", name="Fit").click()
    opened.page.wait_for_function("(more) => report.views.graph.drawn === 1000 + more", arg=more)
    opened.show("overview")
    assert "From 4×4×4 f32 to 4×4×4. Compiled" in opened.text(".hero")
