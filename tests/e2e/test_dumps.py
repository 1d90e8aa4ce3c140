"""Dumps: one file a pass, each is text that `mbc opt` reads and reproduces."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from mbc.ir.graph import Graph
from mbc.ir.text import load_module, parse
from mbc.ops import ChannelShuffle, Conv2d, Reshape, Transpose
from mbc.passes.pipelines import DEFAULT_LEVEL, LEVELS
from mbc.passmgr.pipeline import spec_of
from tests.e2e.support import EXAMPLES, done, mbc, parameters
from tests.everyday import part_of

CODES = """
graph @g(%x: f32[1,4,4,8]) {
  const @w : s8[3,3,1,8]
  const @b : s32[8]
  const @m : f32[8]
  %q = quantize(%x) {to=q8(0.05,128)} : q8(0.05,128)[1,4,4,8]
  %0 = conv2d(%q, @w, @b) {groups=8, multiplier=@m, to=q8(0.1,128)} : q8(0.1,128)[1,2,2,8]
  return %0
}
"""

STEPS = [instance for _, instance in LEVELS[DEFAULT_LEVEL].all_passes()]
PASSES = [instance.name for instance in STEPS]
SPECS = [spec_of(instance) for instance in STEPS]


def dump(
    name: str, settings: Sequence[str], folder: Path, *options: str | Path, stop: str = "plan"
) -> list[Path]:
    """The dumps of an example, in order."""
    words = (EXAMPLES / f"{name}.py", *parameters(settings), *options)
    done("compile", *words, f"--dump-ir={folder}", "--stop-after", stop)
    return sorted(folder.glob("*.mbc"))


NETWORKS = [
    ("mobilenet_v1", ("alpha=0.25", "resolution=64")),
    ("mobilenet_v2", ("alpha=0.35", "resolution=64")),
    ("shufflenet_v1", ("groups=3", "scale=0.25", "resolution=64")),
    ("shufflenet_v2", ("scale=0.5", "resolution=64")),
]
EVERYDAY = ("shufflenet_v1",)


@pytest.mark.parametrize(
    ("name", "settings"),
    part_of(NETWORKS, lambda name, _: name in EVERYDAY, lambda name, _: name),
)
def test_dumps_print_back_and_reproduce_each_other(
    name: str, settings: Sequence[str], tmp_path: Path
) -> None:
    paths = dump(name, settings, tmp_path / "ir", "--target", "arm64", "--mcpu", "cortex-a53")
    numbered = [f"{i:02d}-{p}.mbc" for i, p in enumerate(["import", *PASSES])]
    assert [path.name for path in paths] == numbered
    for path in paths:
        assert done("opt", path).out == path.read_text()
    for count, path in enumerate(paths[1:], 1):
        assert done("opt", paths[0], "-p", ",".join(SPECS[:count])).out == path.read_text()
    assert paths[0].read_text() != paths[-1].read_text()
    told = (tmp_path / "ir" / "remarks.txt").read_text().splitlines()
    assert any(" fold-batch-norm.folded: folded: %" in line for line in told)
    assert told[-1].startswith(f"{len(paths) - 1:02d} plan-memory.arena: arena of ")


def test_the_header_carries_the_target(tmp_path: Path) -> None:
    (path, *_) = dump("mobilenet_v1", ["alpha=0.25"], tmp_path, "--target", "aarch64-linux-gnu")
    assert load_module(path).meta == {
        "network": "mobilenet_v1",
        "parameters": "alpha=0.25 resolution=224 classes=1000 padding=same act=relu "
        "bn_epsilon=1e-05 features=false softmax=true",
        "batch": "1",
        "target": "arm64",
        "mcpu": "generic",
    }


def test_another_target_may_be_asked_for(tmp_path: Path) -> None:
    (path, *_) = dump("mobilenet_v1", ["alpha=0.25"], tmp_path, "--target", "arm64")
    text = done("opt", path, "--target", "x86_64", "--mcpu", "haswell", "--mattr=-f16c").out
    meta = parse(text).meta
    assert (meta["target"], meta["mcpu"], meta["mattr"]) == ("x86_64", "haswell", "-f16c")


def test_a_result_written_to_a_file_compiles(tmp_path: Path) -> None:
    (path, *_) = dump("mobilenet_v1", ["alpha=0.25", "resolution=64"], tmp_path / "ir")
    folded = tmp_path / "new" / "folded.mbc"
    folded.parent.mkdir()
    assert done("opt", path, "-p", "fold-batch-norm", "-o", folded).out == ""
    assert "batch_norm" not in folded.read_text()
    photo = ("--input", EXAMPLES / "images" / "cat.png", "--top", "3")
    settings = parameters(["alpha=0.25", "resolution=64"])
    direct = done("run", EXAMPLES / "mobilenet_v1.py", *settings, *photo)
    through = done("run", folded, *photo)
    assert through.out.split()[1::3] == direct.out.split()[1::3]  # the classes


@pytest.mark.parametrize("groups", [2, 3, 4, 8])
def test_no_shuffle_survives_fuse(groups: int, tmp_path: Path) -> None:
    """At the papers' own size, as it is compiled by default."""
    paths = dump("shufflenet_v1", [f"groups={groups}"], tmp_path, "--target", "arm64", stop="fuse")
    before, after = load_module(paths[0]), load_module(paths[-1])
    assert moves(before) >= 16
    assert moves(after) == 0


def moves(graph: Graph) -> int:
    """Number of nodes that shuffle, reshape or transpose."""
    return sum(isinstance(n.op, ChannelShuffle | Reshape | Transpose) for n in graph.topo())


def test_fused_kernels_and_remapped_shuffles_are_visible_by_default(tmp_path: Path) -> None:
    one = dump("mobilenet_v1", [], tmp_path / "v1", "--target", "arm64")[-1].read_text()
    assert re.search(r"= fused rows\(", one)
    (dumped,) = (tmp_path / "v1").glob("*-fuse-depthwise-pointwise.mbc")
    assert re.search(r"= fused dw_pw\(", dumped.read_text())
    graph = load_module(dump("shufflenet_v1", [], tmp_path / "s", "--target", "arm64")[-1])
    (dumped,) = (tmp_path / "s").glob("*-fuse-depthwise-pointwise.mbc")
    text = dumped.read_text()
    assert "[c -> (c mod 3)*20 + c floordiv 3]" in text
    shuffled = [
        node
        for node in graph.topo()
        if isinstance(node.op, Conv2d)
        and node.op.groups == 3
        and node.view("x").order.shuffle_groups
    ]
    assert shuffled


def test_stop_after_prints_the_ir_of_that_stage() -> None:
    words = ("compile", EXAMPLES / "mobilenet_v1.py", "-D", "alpha=0.25", "--stop-after")
    imported, fused = (done(*words, stage).out for stage in ("import", "fuse"))
    assert "batch_norm" in imported
    assert "batch_norm" not in fused
    assert parse(fused).arena_bytes is None
    assert parse(done(*words, "plan").out).arena_bytes
    assert "define internal void" in done(*words, "lower").out


def test_print_ir_after_and_changed() -> None:
    words = ("compile", EXAMPLES / "mobilenet_v1.py", "--stop-after", "fuse")
    one = done(*words, "--print-ir-after", "fold-batch-norm").err
    assert one.count("// after ") == 1
    assert "-fold-batch-norm\nmodule" in one
    every = done(*words, "--print-ir-after", "all").err
    stages = (stage for stage in LEVELS[DEFAULT_LEVEL].stages if stage.name != "plan")
    assert every.count("// after ") == sum(len(stage.passes) for stage in stages)
    changed = done(*words, "--print-ir-changed").err
    assert "-fold-batch-norm" in changed
    assert "raise-channel-shuffle" not in changed


def test_times_remarks_and_checks() -> None:
    words = ("compile", EXAMPLES / "mobilenet_v1.py", "-D", "resolution=32", "--stop-after", "plan")
    told = done(*words, "--time-passes", "--remarks", "--check-passes").err
    assert all(name in told for name in PASSES)
    assert re.search(r"mobilenet_v1\.py:\d+:\d+: fold-batch-norm\.folded: folded", told)
    assert re.search(r"checked fold-batch-norm: relative error \S+ \(at most \S+\)", told)
    assert "checked" not in done(*words).err


def test_named_passes_replace_the_pipeline(tmp_path: Path) -> None:
    words = ("compile", EXAMPLES / "mobilenet_v1.py", "-D", "resolution=32", "--stop-after", "plan")
    text = done(*words, "--passes", "fold-batch-norm").out
    assert "batch_norm" not in text
    assert "relu(" in text
    assert parse(text).arena_bytes
    refused = mbc(*words, "--passes", "fold-batch-norm", "-O1")
    assert (refused.status, refused.code) == (1, "E0106")
    assert mbc(*words, "--passes", "fold-batchnorm").code == "E0510"


def test_rows_are_fused_before_weights_are_bound(tmp_path: Path) -> None:
    """A kernel on codes is planned by its weights, which text alone does not have."""
    (file := tmp_path / "codes.mbc").write_text(CODES)
    assert "= conv2d(%q" in done("opt", file, "-p", "fuse-rows", "--target", "rpi4").out
