"""The report on memory, counted by hand."""

from io import BytesIO

from PIL import Image

from mbc.ir.text.parser import parse
from mbc.memory.facts import Facts
from mbc.passes.plan_memory import PlanMemory
from mbc.passmgr.passes import PassContext
from mbc.report.arena_plot import draw_arena
from mbc.report.chart import HEIGHT, RED, WIDTH
from mbc.report.memory import Memory, memory_of
from tests.fake_backend import FakeBackend

TEXT = """
graph @g(%x: f32[1,8,8,4]) {
  const @a.weight : f32[1,1,4,8]
  const @b.weight : f32[1,1,8,8]
  const @c.weight : f32[1,1,8,16]
  %0 = conv2d(%x, @a.weight) : f32[1,8,8,8]
  %1 = relu(%0) : f32[1,8,8,8]
  %2 = fused rows(%x = %1) {
    %0 = conv2d(%x, @b.weight) : f32[1,8,8,8]
    return %0
  } : f32[1,8,8,8]
  %3 = conv2d(%2, @c.weight) : f32[1,8,8,16]
  return %3
}"""


def memory(text: str = TEXT, backend: FakeBackend | None = None) -> Memory:
    backend = backend or FakeBackend(overlap=100, scratch=300)
    graph = parse(text)
    PlanMemory().run(graph, PassContext(backend))
    return memory_of(graph, Facts(backend), shared_bytes=7, scratch_bytes=5)


def test_what_is_held() -> None:
    first, second, scratch = memory().holdings
    assert (first.kind, first.values, first.layers) == ("value", ("%0", "%1"), ("0", "1"))
    assert (first.bytes, first.first, first.last, first.at_peak) == (2048, 0, 2, True)
    assert (second.values, second.first, second.last) == (("%2",), 2, 3)
    assert (scratch.kind, scratch.name) == ("scratch", "scratch of %2")
    assert (scratch.bytes, scratch.first, scratch.last) == (320, 2, 2)
    assert first.offset - second.offset >= 128


def test_what_needs_most() -> None:
    report = memory()
    assert [step.live_bytes for step in report.steps] == [2048, 2048, 2048 + 128 + 320, 2048]
    assert (report.peak, report.steps[2].layer, report.steps[2].op) == (2, "0+2", "fused rows")
    assert report.bound_bytes == report.arena_bytes == 2048 + 128 + 320
    assert (report.shared_bytes, report.scratch_bytes) == (7, 5)


def test_what_overlaps() -> None:
    (overlap,) = memory().overlaps
    assert (overlap.step, overlap.result, overlap.operand) == (2, "%2", "%0")
    assert overlap.distance == 128


SIDE_BY_SIDE = """
graph @g(%x: f32[1,8,8,4]) {
  const @a.weight : f32[1,1,4,4]
  const @b.weight : f32[1,1,4,8]
  %0 = conv2d(%x, @a.weight) : f32[1,8,8,4]
  %1 = relu(%x) : f32[1,8,8,4]
  %2 = conv2d(%x, @b.weight) {residual=[%0, %1]} : f32[1,8,8,8]
  %3 = max_pool(%2) : f32[1,4,4,8]
  return %3
}"""


def test_neighbours_are_one_holding() -> None:
    first, _ = memory(SIDE_BY_SIDE, FakeBackend(alias=False)).holdings
    assert (first.values, first.pitch, first.bytes) == (("%0", "%1"), 8, 2048)
    assert (first.first, first.last) == (0, 2)


def test_nothing_in_the_arena() -> None:
    report = memory("graph @g(%x: f32[1,8]) {\n  %0 = relu(%x) : f32[1,8]\n  return %0\n}")
    assert (report.holdings, report.arena_bytes, report.bound_bytes) == ((), 0, 0)
    assert draw_arena(report, "nothing").startswith(b"\x89PNG")


def test_the_picture() -> None:
    """Boxes have colours, free memory has none, and the peak is marked."""
    image = Image.open(BytesIO(draw_arena(memory(), "g")))
    assert image.size == (WIDTH, HEIGHT)
    colours = {colour for _, colour in image.getcolors(WIDTH * HEIGHT) or ()}
    assert RED in colours
    assert len(colours) > 6
    left = image.getpixel((120, 500))
    right = image.getpixel((WIDTH - 60, 120))
    assert left != (255, 255, 255)
    assert right == (255, 255, 255)


def test_the_same_plan_gives_the_same_picture() -> None:
    assert draw_arena(memory(), "g") == draw_arena(memory(), "g")


def test_a_graph_is_named_in_its_json() -> None:
    data = memory().to_json()
    assert list(data) == [
        *("arena_bytes", "bound_bytes", "shared_bytes", "scratch_bytes"),
        *("peak", "steps", "holdings", "overlaps"),
    ]
