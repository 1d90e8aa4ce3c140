"""The benchmarks compare what they say they do; how fast that is they are asked by hand."""

from pathlib import Path

import pytest

from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet
from mbc.driver.request import Request
from mbc.driver.rounds import Times
from mbc.frontends.dsl import load_network
from mbc.ir.graph import Graph
from mbc.ops import ChannelShuffle, Concat, Split
from mbc.report.costs import Totals
from tests.example_networks import Example
from tests.speed import fusion, int8, race
from tests.speed import variants as more
from tests.speed.shuffles import pairs


def as_written(file: Path, params: dict[str, str]) -> Graph:
    return load_network(file, None).trace(params, 1)


def test_pairs_compute_alike_and_only_one_moves_channels(tmp_path: Path) -> None:
    for pair in pairs(tmp_path):
        moving, plain = (as_written(file, pair.params) for file in (pair.file, pair.plain))
        assert Totals.of(moving).macs == Totals.of(plain).macs
        assert [v.type for v in moving.inputs] == [v.type for v in plain.inputs]
        assert any(isinstance(node.op, ChannelShuffle) for node in moving.topo())
        assert not any(isinstance(node.op, ChannelShuffle | Split) for node in plain.topo())
    assert not any(isinstance(node.op, Concat) for node in plain.topo()), "of ShuffleNetV2"


def test_the_better_of_two() -> None:
    times = {
        "auto": Times((2.0, 2.1, 2.2)),
        "always": Times((1.0, 2.0, 4.0)),
        "never": Times((3.0, 3.0, 3.0)),
    }
    by_always, by_never, by_better, of_least = fusion.ratios(times)
    assert by_always == by_better == pytest.approx(1.05)
    assert by_never == pytest.approx(0.7)
    assert of_least == pytest.approx(2.0)
    assert fusion.row("net", times)[-2:] == ("1.050", "2.000!")
    assert fusion.row("net", times | {"auto": times["always"]})[-1] == "1.000"
    once = Times((1.0, 2.1, 4.2))
    assert fusion.row("net", times | {"auto": once})[-2:] == ("1.050", "1.000"), "by one alone"


def test_what_threads_and_less_memory_do() -> None:
    small = Example("mobilenet_v4", (("resolution", "64"),))
    found = more.variants(small)
    assert found["speed"].lowered is found["threads"].lowered
    assert [v.threads for v in found.values()] == [1, 2, 1]
    assert not found["speed"].is_like(found["threads"])
    arenas = [found[goal].lowered.spec.arena_bytes for goal in ("speed", "memory")]
    assert arenas[0] > arenas[1]
    times = {"speed": Times((2.0,)), "threads": Times((1.0,)), "memory": Times((3.0,))}
    times |= {"peak of one": Times((1.0,)), "peak of all": Times((1.25,))}
    printed = ("2000.000", "1000.000", "2.00", "1.250", "3000.000", "1.500")
    assert more.row("net", found, times) == ("net", *printed, *(f"{a:,}" for a in arenas))
    limits = more.peaks()
    assert race.race(found, 1, limits).keys() == found.keys() | limits.keys()


def test_codes_beside_floats() -> None:
    small = Example("mobilenet_v1", (("resolution", "32"), ("alpha", "0.25")))
    found = int8.variants(small, Request(Path()), bits=7)
    kinds = {name: {k.name[:3] for k in v.lowered.kernels} for name, v in found.items()}
    assert "q8_" not in kinds["float"]
    assert "q8_" in kinds["codes"]
    times = {"float": Times((2.0,)), "codes": Times((1.0,))}
    assert int8.row("net", found, times)[:4] == ("net", "2000.000", "1000.000", "0.500")


def test_equal_variants_are_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Example("mobilenet_v1", (("resolution", "32"), ("alpha", "0.25")))
    found = fusion.variants(small)
    assert found["auto"].is_like(found["auto"])
    assert not found["always"].is_like(found["never"])
    twins = {"always": found["always"], "never": found["never"], "auto": found["never"]}
    raced: list[LoweredNet] = []

    def noted(lowered: LoweredNet, pool: None) -> JitNet:
        raced.append(lowered)
        return JitNet(lowered, pool)

    monkeypatch.setattr("tests.speed.race.JitNet", noted)
    times = race.race(twins, rounds=2)
    assert len(raced) == 2
    assert times["auto"] is times["never"]
    assert len(times["always"].seconds) == 2


def test_names_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fusion.main(["mobilenet_v9"])
    assert "no network mobilenet_v9; there are shufflenet_v1-groups1" in capsys.readouterr().err
