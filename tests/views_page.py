"""What docs/views.md shows, as the compiler gives it.

Each of its blocks is marked: `<!-- given: NAME -->` is an input, written by hand, and
`<!-- shows: NAME -->` is what comes of one, by the function of that name in `SHOWS`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.kernels.base import Buffer
from mbc.backends.llvm.kernels.linear import group_order
from mbc.backends.llvm.storage import stored
from mbc.frontends.dsl import load_network
from mbc.interp.run import run
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.text.parser import parse
from mbc.ir.text.printer import print_graph
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, Value
from mbc.memory import needs
from mbc.memory.facts import Facts
from mbc.ops.cost import node_cost, op_name
from mbc.passes.pipelines import O2, PASSES
from mbc.passmgr.instruments import Verify, remark_text
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext, Pipeline
from mbc.passmgr.pipeline import parse_passes, single_stage
from mbc.targets.catalogue import entry_target, find_entry
from tests.example_networks import Example

PAGE = Path(__file__).resolve().parents[1] / "docs" / "views.md"
GIVEN = re.compile(r"<!-- given: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
SHOWN = re.compile(r"(<!-- shows: (\S+) -->\n```\w*\n)(.*?)(?=```)", re.DOTALL)

STEPS = {
    "raise-channel-shuffle": ("raise-channel-shuffle",),
    "eliminate-concat": ("eliminate-concat",),
    "remap-channel-shuffle": ("eliminate-split", "remap-channel-shuffle"),
    "fuse": ("fuse-activation", "fuse-residual-add"),
    "plan-memory": ("materialize-views", "plan-memory"),
}
"""The passes of each block that shows the unit, one block after the other."""

TARGETS = ("arm64", "x86_64")


def given(name: str) -> str:
    """An input of the page."""
    found: dict[str, str] = dict(GIVEN.findall(PAGE.read_text()))
    return found[name]


def backend(target: str = "arm64") -> LlvmBackend:
    entry = find_entry(target)
    assert entry is not None
    return LlvmBackend(entry_target(entry))


# graphs


def unit() -> Graph:
    """The unit as imported; each element of a constant is the number of its output channel."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "unit.py"
        path.write_text(given("unit.py"))
        graph = load_network(path).trace({}, 1)
    for constant in graph.constants().values():
        shape = constant.type.shape
        constant.data = Constant.of("", np.broadcast_to(np.arange(shape[-1]), shape)).data
    return graph


def after(graph: Graph, pipeline: Pipeline) -> str:
    """Run passes over a graph; their remarks as comments, and the statements that they leave."""
    records = run_pipeline(graph, pipeline, PassContext(backend()), [Verify()])
    remarks = [
        f"// {remark_text(record, remark)}\n"
        for record in records
        for remark in record.result.remarks
    ]
    return "".join(remarks) + statements(graph)


def statements(graph: Graph) -> str:
    """What nodes and outputs a graph has, without its constants."""
    lines = print_graph(graph).splitlines(keepends=True)
    return "".join(line for line in lines if re.match("  (?!const )", line))


def _left(step: str) -> str:
    return walk()[step][0]


def passes(*names: str) -> Pipeline:
    return single_stage(parse_passes(",".join(names), PASSES))


@cache
def walk() -> dict[str, tuple[str, Graph]]:
    """What each step leaves of the unit: remarks and statements, and the graph."""
    graph, found = unit(), {}
    for name, wanted in STEPS.items():
        text = after(graph, passes(*wanted))
        found[name] = (text, graph.clone())
    return found


def node_of(graph: Graph, layer: str) -> Node:
    """The node that has a layer's weight."""
    (found,) = [
        node
        for node in graph.topo()
        if (weight := node.constant("weight")) and weight.name.startswith(f"{layer}.")
    ]
    return found


def answers() -> list[np.ndarray]:
    """What the unit computes on whole numbers, before and after its passes."""
    image = np.random.default_rng(1).integers(-3, 4, unit().inputs[0].type.shape)
    inputs = {unit().inputs[0].name: image.astype(np.float32)}
    graphs = (unit(), *(graph for _, graph in walk().values()))
    return [next(iter(run(graph, inputs, dtype=np.float64).values())) for graph in graphs]


# tables


def row(title: str, cells: Iterable[object], width: int = 3, group: int = 0) -> str:
    """A line of a table: a title and right-aligned cells, a bar after each `group` of them."""
    line = title.ljust(30)
    for index, cell in enumerate(cells):
        bar = " |" if group and index and index % group == 0 else ""
        line += f"{bar}{cell:>{width}}"
    return line.rstrip() + "\n"


def shuffle_table() -> str:
    order = ChannelMap.shuffle(3, 12)
    return row("channel of the operand, c", range(12), group=4) + row(
        "channel of the value, f(c)", order.indices, group=4
    )


def weights_table() -> str:
    """A vector for the channels, and the one that takes its place."""
    old = walk()["raise-channel-shuffle"][1]
    new = walk()["remap-channel-shuffle"][1]
    vectors = [node_of(graph, "dw").constant("bias") for graph in (old, new)]
    lines = [row("channel", range(12), group=4)]
    lines += [
        row(f"@{constant.name}", map(int, constant.array), group=4)
        for constant in filter(None, vectors)
    ]
    return "".join(lines)


def wrong_table() -> str:
    """w[f^-1], which is right, and w[f], which is not."""
    f = ChannelMap.shuffle(3, 12)
    return (
        row("c", range(12))
        + row("f(c)", f.indices)
        + row("w[c]", range(12))
        + row("w'[c] = w[f^-1(c)]   right", f.inverse().indices)
        + row("w[f(c)]              wrong", f.indices)
    )


def columns(rows: Iterable[Sequence[object]]) -> str:
    """Lines of a table, its columns as wide as their widest cells."""
    lines = [list(map(str, line)) for line in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "".join(f"{line}\n" for line in padded)


def reads_table(layer: str) -> str:
    """For each group of a pointwise layer: what it reads, where that lies, how weights follow."""
    node = stored(node_of(walk()["plan-memory"][1], layer))
    groups = node.op.channel_groups
    view, found = node.view("x"), group_order(node.view("x"), groups)
    each = len(view.order) // groups
    rows = [("group", "channels, in the layer's order", "runs in a pixel", "weight rows")]
    for number, (runs, order) in enumerate(zip(found.runs, found.order, strict=True)):
        channels = [channel for _, channel in view.channels[number * each : (number + 1) * each]]
        places = ", ".join(f"{run.length} at byte {run.offset}" for run in runs)
        rows.append((str(number), _numbers(channels), places, _numbers(order)))
    return columns(rows)


def _numbers(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def pixel_table() -> str:
    """The first pixels of the buffer that the parts of the concatenation share."""
    graph = walk()["plan-memory"][1]
    parts = node_of(graph, "expand").view("residual").values
    rows = [_channels(part, pixel) for pixel in range(2) for part in parts]
    return columns([("byte of the arena", "what lies there"), *rows])


def _channels(value: Value, pixel: int) -> tuple[str, str]:
    """Where the channels of a value lie that has neighbours."""
    size, channels = value.type.element.bytes, value.type.channels
    assert value.place is not None
    assert value.place.pitch is not None
    start = value.place.offset + pixel * size * value.place.pitch
    last = start + size * channels - 1
    return f"{start} to {last}", f"channels 0 to {channels - 1} of %{value.name}, pixel {pixel}"


def arena_table() -> str:
    """The buffers of the arena, and the nodes at which each is alive."""
    graph = walk()["plan-memory"][1]
    times, buffers = range(len(graph.topo())), needs.needs_of(graph, Facts(backend())).buffers
    rows = [_lifetime(buffer, times) for buffer in buffers]
    return columns([("bytes", "values", *times), *rows])


def _lifetime(buffer: needs.Buffer, times: Iterable[int]) -> Sequence[str]:
    starts = [
        value.place.offset - place.offset for value, place in buffer.places.items() if value.place
    ]
    starts += [buffer.user.scratch] if buffer.user and buffer.user.scratch is not None else []
    (start,) = set(starts)
    names = ", ".join(f"%{value.name}" for value in buffer.places) or "scratch"
    alive = ["#" if buffer.first <= time <= buffer.last else "." for time in times]
    return f"{start} to {start + buffer.bytes - 1}", names, *alive


def padding_table() -> str:
    """How buffers of one type are padded for two targets."""
    title = ("target", "lanes", "channels", "room", "pitch", "bytes of a pixel")
    return columns([title, *(_padding(name, c) for name in TARGETS for c in (12, 24, 512))])


def _padding(target: str, channels: int) -> Sequence[object]:
    isa = backend(target).isa
    buffer = Buffer.in_arena(TensorType((1, 4, 4, channels)), isa)
    return target, isa.lanes, channels, buffer.room, buffer.pitch, buffer.pixel_bytes


def cost_table() -> str:
    """What the kinds of ops of ShuffleNetV1 compute and move, as it is written."""
    graph = Example("shufflenet_v1", (("groups", "3"),)).graph()
    kinds: dict[str, list[Node]] = {}
    for node in graph.topo():
        kinds.setdefault(op_name(node), []).append(node)
    shown = ("channel_shuffle", "concat", "add", "conv2d")
    lines = [_cost("op", "nodes", "multiply-adds", "bytes read and written")]
    return "".join([*lines, *(_costs(kind, kinds[kind]) for kind in shown)])


def _costs(kind: str, nodes: Sequence[Node]) -> str:
    costs = [node_cost(node) for node in nodes]
    macs = sum(cost.macs for cost in costs)
    bytes = sum(cost.bytes_read + cost.bytes_written for cost in costs)
    return _cost(kind, str(len(nodes)), f"{macs:,}", f"{bytes:,}")


def _cost(op: str, nodes: str, macs: str, bytes: str) -> str:
    return f"{op:18}{nodes:>5}{macs:>16}{bytes:>26}\n"


# the other graphs of the page


def of_text(name: str, *wanted: str) -> str:
    """What passes leave of a graph that the page gives as text."""
    return after(parse(given(name)), passes(*wanted))


def whole_pipeline() -> str:
    graph = unit()
    run_pipeline(graph, O2, PassContext(backend()), [Verify()])
    return statements(graph)


MOVES = ("eliminate-concat", "eliminate-split", "remap-channel-shuffle")

SHOWS: dict[str, Callable[[], str]] = {
    "costs": cost_table,
    "shuffle": shuffle_table,
    "wrong": wrong_table,
    "import": lambda: statements(unit()),
    "raise-channel-shuffle": partial(_left, "raise-channel-shuffle"),
    "eliminate-concat": partial(_left, "eliminate-concat"),
    "remap-channel-shuffle": partial(_left, "remap-channel-shuffle"),
    "weights": weights_table,
    "fuse": partial(_left, "fuse"),
    "reads-expand": lambda: reads_table("expand"),
    "reads-reduce": lambda: reads_table("reduce"),
    "plan-memory": partial(_left, "plan-memory"),
    "pixels": pixel_table,
    "arena": arena_table,
    "padding": padding_table,
    "whole": whole_pipeline,
    "split": lambda: of_text("split.mbc", *MOVES),
    "output": lambda: of_text("output.mbc", *MOVES),
    "copied": lambda: of_text("copied.mbc", "materialize-views"),
    "apart": lambda: of_text("apart.mbc", "materialize-views"),
}
"""What makes each block, in the order of the page."""


def rewrite(page: Path, shows: Mapping[str, Callable[[], str]]) -> None:
    """Write what a page shows anew."""
    page.write_text(SHOWN.sub(lambda match: match[1] + shows[match[2]](), page.read_text()))
