"""A real task: the networks of examples/digits read handwriting, here and on boards."""

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import mbc as api
from mbc.driver.request import BackendName
from mbc.examples.digits import classify
from mbc.examples.digits.classify import Decisions
from mbc.examples.digits.data import FOLDER, HELD_OUT, NETWORKS, held_out_digits, weights_file
from tests.e2e.support import done
from tests.everyday import part_of

BAR = 0.97  # accuracy that each network must reach
BATCH = 120  # digits for one start of the emulator
TARGETS = {"x86_64": False, "arm64": True, "armv7": True}  # and whether it is emulated
MOST_BYTES = 300 * 1024


@cache
def decisions(network: str, backend: BackendName) -> Decisions:
    """What a network makes of the held-out digits in this process."""
    return classify.in_process(network, BATCH, backend).decisions(held_out_digits())


def accuracy(found: Decisions) -> float:
    return float((found == held_out_digits().labels).mean())


def build(network: str, target: str, folder: Path) -> None:
    """A folder as the README says to make it."""
    source, weights = FOLDER / f"{network}.py", weights_file(network)
    options = ("--weights", weights, "--target", target, "--batch", str(BATCH), "--emit", "exe")
    done("compile", source, *options, "-o", folder)


@pytest.mark.parametrize("backend", ["oracle", "llvm"])
@pytest.mark.parametrize("network", NETWORKS)
def test_held_out_digits_are_read(network: str, backend: BackendName) -> None:
    assert accuracy(decisions(network, backend)) >= BAR


@pytest.mark.parametrize("network", NETWORKS)
def test_kernels_decide_as_the_oracle(network: str) -> None:
    np.testing.assert_array_equal(decisions(network, "llvm"), decisions(network, "oracle"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "network"),
    part_of(  # each network for one of them, and all for all with --fuzz
        product(TARGETS, NETWORKS),
        lambda target, network: (
            [*TARGETS].index(target) == [*NETWORKS].index(network) % len(TARGETS)
        ),
    ),
)
def test_executables_decide_as_the_oracle(target: str, network: str, tmp_path: Path) -> None:
    build(network, target, tmp_path / "out")
    board = classify.executable(network, tmp_path / "out", emulate=TARGETS[target])
    found = board.decisions(held_out_digits())
    assert accuracy(found) >= BAR
    np.testing.assert_array_equal(found, decisions(network, "oracle"))


def test_the_weights_make_the_difference() -> None:
    """Untrained, a network reads next to nothing: the bar is none that any network would pass."""
    net = api.compile(FOLDER / "mobilenet_v1.py", batch=BATCH)
    untrained = classify.Classifier("", BATCH, lambda x: net.run({"input": x})["output"])
    assert accuracy(untrained.decisions(held_out_digits())) < 0.5


@pytest.mark.parametrize("batch", [1, 359, 400])
def test_any_batch_gives_the_same_decisions(batch: int) -> None:
    found = classify.in_process("shufflenet_v1", batch).decisions(held_out_digits())
    np.testing.assert_array_equal(found, decisions("shufflenet_v1", "oracle"))


def test_the_held_out_set_is_a_fifth_of_every_class() -> None:
    digits = held_out_digits()
    assert digits.scans.shape == (359, 8, 8)
    assert int(digits.scans.max()) == 16
    assert np.bincount(digits.labels).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]


def test_inputs_are_scans_four_times_as_large() -> None:
    digits = held_out_digits()
    x = digits.inputs()
    assert x.shape == (359, 32, 32, 1)
    assert x.dtype == np.float32
    for corner in (x[:, ::4, ::4, 0], x[:, 3::4, 3::4, 0]):
        np.testing.assert_array_equal(corner, digits.scans.astype(np.float32) / 8 - 1)


def test_what_is_stored_stays_small() -> None:
    sizes = {path.name: path.stat().st_size for path in [HELD_OUT, *map(weights_file, NETWORKS)]}
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}


def test_the_program_reports_accuracy_and_confusions(capsys: pytest.CaptureFixture[str]) -> None:
    assert classify.main(["mobilenet_v2", "--batch", "90"]) == 0
    first, second, third, *confusions = capsys.readouterr().out.splitlines()
    assert first == "mobilenet_v2, in process (llvm), batch 90"
    wrong = int((decisions("mobilenet_v2", "llvm") != held_out_digits().labels).sum())
    assert second == f"accuracy {1 - wrong / 359:.2%} ({359 - wrong} of 359)"
    assert third == f"{wrong} confused"
    assert sum(int(line.rpartition(": ")[2]) for line in confusions) == wrong


def test_a_folder_of_another_network_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert classify.main(["mobilenet_v1", "--binary", str(folder)]) == 1
    assert "was not written by mbc compile" in capsys.readouterr().err
    build("shufflenet_v1", "x86_64", folder)
    assert classify.main(["mobilenet_v1", "--binary", str(folder)]) == 1
    assert "holds shufflenet_v1, not mobilenet_v1" in capsys.readouterr().err
    assert classify.main(["shufflenet_v1", "--binary", str(folder), "--emulate"]) == 1
    assert "knows no emulator of x86_64" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--emulate",), ("--binary", "out", "--batch", "0")])
def test_options_that_would_do_nothing_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as leaving:
        classify.main(["mobilenet_v1", *options])
    assert leaving.value.code == 2
