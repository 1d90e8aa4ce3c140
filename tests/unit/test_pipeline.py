"""Pass specs, stages, and what instruments see of a pipeline."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from mbc.diag import MbcError, render
from mbc.ir.graph import Constant, Graph
from mbc.ir.text.module import DumpFolder, load_module
from mbc.ir.text.parser import parse
from mbc.ir.text.printer import print_graph
from mbc.passes.eliminate_dead_nodes import EliminateDeadNodes
from mbc.passes.fuse_activation import FuseActivation
from mbc.passes.fuse_depthwise_pointwise import FuseDepthwisePointwise
from mbc.passes.pipelines import O2, PASSES, planned
from mbc.passmgr.instruments import (
    CheckPasses,
    DumpEach,
    PrintAfter,
    PrintChanged,
    Verify,
    pass_names,
    remark_lines,
    timing_table,
)
from mbc.passmgr.manager import Instrument, PassRecord, Step, run_pipeline
from mbc.passmgr.passes import Pass, PassContext, PassResult
from mbc.passmgr.pipeline import options_of, parse_passes, single_stage, spec_of, stop_after
from tests.fake_backend import FakeBackend

CONTEXT = PassContext(FakeBackend())

NET = """module {network="net"}
graph @net(%x: f32[1,8,8,12]) {
  const @g1.w : f32[1,1,4,12]
  const @dw.w : f32[3,3,1,12]
  const @g2.w : f32[1,1,4,12]
  %0 = conv2d(%x, @g1.w) {groups=3} : f32[1,8,8,12]
  %1 = relu(%0) : f32[1,8,8,12]
  %2 = channel_shuffle(%1) {groups=3} : f32[1,8,8,12]
  %3 = conv2d(%2, @dw.w) {pad=(1,1,1,1), groups=12} : f32[1,8,8,12]
  %4 = conv2d(%3, @g2.w) {groups=3} : f32[1,8,8,12]
  %5 = add(%x, %4) : f32[1,8,8,12]
  %6 = relu(%5) : f32[1,8,8,12]
  return %6
}
"""


def net() -> Graph:
    graph = parse(NET, "net.mbc")
    rng = np.random.default_rng(0)
    for constant in graph.constants().values():
        data = rng.standard_normal(constant.type.shape)
        constant.data = Constant.of(constant.name, data).data
    return graph


@dataclass(frozen=True)
class Scale:
    """A pass for tests: scales the first weight, which is wrong."""

    name: ClassVar[str] = "scale"
    tolerance: ClassVar[float] = 1e-4

    factor: float = 1.01
    times: int = 1
    twice: bool = False

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        node = graph.topo()[0]
        weight = node.constant("weight")
        assert weight is not None
        scaled = Constant.of("scaled", weight.array * np.float32(self.factor))
        graph.set_operands(node, [node["x"], scaled])
        return PassResult(changed=True)


@dataclass(frozen=True)
class Break:
    """A pass for tests: leaves a type that is not the op's."""

    name: ClassVar[str] = "break"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        result = graph.topo()[1].result
        result.type = result.type.with_channels(5)
        return PassResult(changed=True)


@dataclass(frozen=True)
class Crash:
    """A pass for tests: fails after it began to edit."""

    name: ClassVar[str] = "crash"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        graph.topo()[0].operands = ()
        raise KeyError("no such kernel")


def code_and_text(problem: MbcError) -> tuple[str, str]:
    (diagnostic,) = problem.diagnostics
    return diagnostic.code, render(diagnostic)


# specs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fuse-activation",
        "fold-batch-norm,fuse-activation,fold-batch-norm",
        "fuse-depthwise-pointwise{mode=always},plan-memory",
    ],
)
def test_specs_print_as_they_are_read(text: str) -> None:
    assert ",".join(map(spec_of, parse_passes(text, PASSES))) == text


def test_specs_may_be_spaced_and_options_default() -> None:
    spaced = " fuse-activation , fuse-depthwise-pointwise { mode = auto } "
    assert parse_passes(spaced, PASSES) == (FuseActivation(), FuseDepthwisePointwise())


def test_options_have_types() -> None:
    (instance,) = parse_passes("scale{factor=2.5,times=3,twice=true}", (Scale,))
    assert instance == Scale(2.5, 3, True)
    assert spec_of(instance) == "scale{factor=2.5,times=3,twice=true}"
    assert list(map(str, options_of(Scale))) == [
        "factor=float (default 1.01)",
        "times=int (default 1)",
        "twice=bool (default false)",
    ]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("fuse-activations", "E0510", ["no pass 'fuse-activations'", "'fuse-activation'?"]),
        ("zzz", "E0510", ["no pass 'zzz'", "`mbc passes`"]),
        ("fuse-activation{mode=auto}", "E0511", ["no option 'mode'", "its options: none"]),
        ("scale{fcator=2}", "E0511", ["no option 'fcator'", "did you mean 'factor'?"]),
        ("scale{factor}", "E0512", ["'' is no value of option factor", "factor=float"]),
        ("scale{times=1.5}", "E0512", ["'1.5'", "times=int"]),
        ("scale{twice=yes}", "E0512", ["'yes'", "twice=bool"]),
        ("fuse-depthwise-pointwise{mode=alway}", "E0512", ["did you mean 'always'?"]),
        ("scale{factor=2", "E0513", ["'scale{factor=2'"]),
        ("scale}", "E0513", ["'scale}'"]),
        ("scale scale", "E0513", ["'scale scale'"]),
        (",scale", "E0513", ["',scale'"]),
    ],
)
def test_wrong_specs(text: str, code: str, words: list[str]) -> None:
    with pytest.raises(MbcError) as caught:
        parse_passes(text, (*PASSES, Scale))
    found, message = code_and_text(caught.value)
    assert found == code
    for word in words:
        assert word in message


# pipelines


def test_names_of_passes_are_names_of_their_files() -> None:
    for pass_class in PASSES:
        stem = pass_class.name.replace("-", "_")
        assert pass_class.__module__ == f"mbc.passes.{stem}"
        assert pass_class.__name__ == "".join(map(str.capitalize, pass_class.name.split("-")))


def test_the_plan_for_several_threads_outlives_that_for_one_but_no_edit() -> None:
    graph, named = net(), parse_passes("fuse-depthwise-pointwise{mode=always}", PASSES)
    *_, last = run_pipeline(graph, planned(named), PassContext(FakeBackend(scratch=200)))
    assert last.result.changed, "the plan for one thread has scratch too"
    assert graph.threads_plan is not None
    run_pipeline(graph, single_stage([Scale()]), CONTEXT)
    assert graph.threads_plan is None


def test_stopping_after_a_stage() -> None:
    assert list(stop_after(O2, "import").all_passes()) == []
    stages = {stage for stage, _ in stop_after(O2, "canonicalize").all_passes()}
    assert stages == {"canonicalize"}
    assert stop_after(O2, "lower") == O2
    with pytest.raises(MbcError) as caught:
        stop_after(O2, "fues")
    code, message = code_and_text(caught.value)
    assert code == "E0514"
    assert "did you mean 'fuse'?" in message
    assert "import, canonicalize, fuse, plan, lower, emit" in message


# running


class Watch(Instrument):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def start(self, graph: Graph) -> None:
        self.seen.append("start")

    def before(self, step: Step, graph: Graph) -> None:
        self.seen.append(f"before {step.index} {step.stage} {step.name}")

    def after(self, record: PassRecord, graph: Graph) -> None:
        self.seen.append(f"after {record.step.name} {record.result.changed}")


def test_instruments_see_every_pass() -> None:
    watch = Watch()
    passes = (FuseActivation(), EliminateDeadNodes())
    records = run_pipeline(net(), single_stage(passes, "mine"), CONTEXT, [watch])
    assert watch.seen == [
        "start",
        "before 1 mine fuse-activation",
        "after fuse-activation True",
        "before 2 mine eliminate-dead-nodes",
        "after eliminate-dead-nodes False",
    ]
    assert [record.step.instance for record in records] == list(passes)


def test_dumps_reproduce_each_other(tmp_path: Path) -> None:
    with DumpFolder(tmp_path) as folder:
        records = run_pipeline(net(), O2, CONTEXT, [Verify(), DumpEach(folder)])
    dumps = sorted(tmp_path.glob("*.mbc"))
    assert [path.stem for path in dumps] == [
        "00-import",
        *(f"{record.step.index:02d}-{record.step.name}" for record in records),
    ]
    assert (tmp_path / "constants.safetensors").exists()
    for before, record, after in zip(dumps, records, dumps[1:], strict=False):
        graph = load_module(before)
        passes = parse_passes(spec_of(record.step.instance), PASSES)
        run_pipeline(graph, single_stage(passes), CONTEXT)
        expected = load_module(after)
        assert print_graph(graph) == print_graph(expected)
        for name, constant in graph.constants().items():
            np.testing.assert_array_equal(constant.array, expected.constants()[name].array)


def test_remarks_name_values_as_the_network_does() -> None:
    """The add is %6, and the convolution %3 has the name of its batch norm, %4, by then."""
    records = run_pipeline(net(), O2, CONTEXT)
    messages = [line for line in remark_lines(records) if "fuse-residual-add" in line]
    assert messages == ["net.mbc:11:3: fuse-residual-add.fused: fused: %6 into %4"]


def test_printing_after_passes() -> None:
    written: list[str] = []
    names = pass_names("fuse-activation, fold-batch-norm", PASSES)
    run_pipeline(net(), O2, CONTEXT, [PrintAfter(names, written.append)])
    numbers = {instance.name: n for n, (_, instance) in enumerate(O2.all_passes(), 1)}
    assert [text.partition("\n")[0] for text in written] == [
        f"// after {numbers[name]:02d}-{name}" for name in ("fold-batch-norm", "fuse-activation")
    ]
    parse(written[0])
    assert pass_names("all", PASSES) is None
    with pytest.raises(MbcError, match="E0510"):
        pass_names("fuse-activation,fuse", PASSES)


def test_printing_what_changed() -> None:
    written: list[str] = []
    passes = (EliminateDeadNodes(), FuseActivation())
    run_pipeline(net(), single_stage(passes), CONTEXT, [PrintChanged(written.append)])
    (diff,) = written
    assert diff.startswith("--- before 02-fuse-activation\n+++ after 02-fuse-activation\n@@")
    assert "-  %1 = relu(%0) : f32[1,8,8,12]\n" in diff


def test_times_add_up() -> None:
    records = run_pipeline(net(), O2, CONTEXT)
    lines = timing_table(records).splitlines()
    assert [line.split()[-1] for line in lines[1:3]] == [
        "01-fold-constants",
        "02-eliminate-dead-nodes",
    ]
    parts = [float(line.split()[0]) for line in lines[1:-1]]
    assert float(lines[-1].split()[0]) == pytest.approx(sum(parts), abs=0.1)


# faults


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        (Break(), "the graph is not valid after it: E0307"),
        (Crash(), "KeyError: 'no such kernel'"),
        (Scale(1.5), "it changes y by 0."),
    ],
)
def test_a_fault_names_the_pass_and_saves_the_ir_before_it(
    instance: Pass, words: str, tmp_path: Path
) -> None:
    pipeline = single_stage((FuseActivation(), instance), "fuse")
    with pytest.raises(MbcError) as caught:
        run_pipeline(net(), pipeline, CONTEXT, [Verify(), CheckPasses()], rescue=tmp_path)
    code, message = code_and_text(caught.value)
    path = tmp_path / f"before-{instance.name}.mbc"
    assert code == "E0901"
    assert f"pass {spec_of(instance)} (stage fuse) failed: {words}" in message
    assert f"mbc opt {path} -p '{spec_of(instance)}'" in message
    saved, expected = load_module(path), net()
    run_pipeline(expected, single_stage((FuseActivation(),)), CONTEXT)
    assert print_graph(saved) == print_graph(expected)
    assert all(constant.data is not None for constant in saved.constants().values())


def test_a_fault_is_saved_in_a_folder_of_its_own_by_default() -> None:
    with pytest.raises(MbcError) as caught:
        run_pipeline(net(), single_stage((Crash(),)), CONTEXT)
    (path,) = re.findall(r"IR is in (.*)", code_and_text(caught.value)[1])
    assert load_module(Path(path)).meta == {"network": "net"}
    for file in Path(path).parent.iterdir():
        file.unlink()
    Path(path).parent.rmdir()


def test_a_wrong_graph_is_the_users_before_the_first_pass() -> None:
    graph = net()
    Break().run(graph, CONTEXT)
    with pytest.raises(MbcError, match="E0307"):
        run_pipeline(graph, O2, CONTEXT, [Verify()])


def test_the_check_measures_each_pass() -> None:
    checker = CheckPasses()
    run_pipeline(net(), O2, CONTEXT, [checker])
    assert {check.name for check in checker.checks} >= {"fuse-activation", "remap-channel-shuffle"}
    assert all(check.error <= check.tolerance for check in checker.checks)
    with pytest.raises(MbcError, match=r"E0901.*at most 0\.0001 is right"):
        run_pipeline(net(), single_stage((Scale(),)), CONTEXT, [CheckPasses()])


def test_the_check_needs_weights() -> None:
    with pytest.raises(MbcError, match="E0711"):
        run_pipeline(parse(NET), O2, CONTEXT, [CheckPasses()])
