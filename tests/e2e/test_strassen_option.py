"""Strassen's method: what it mixes, and `--no-strassen`."""

import json
from pathlib import Path

import numpy as np
import pytest

import mbc as api
from mbc.diag import MbcError
from tests.e2e.support import done, mbc, single

NETWORK = """
from mbc.frontends.dsl import Net, Tensor, network

@network
def net(nn: Net, *, mean: bool = True) -> Tensor:
    x = nn.pointwise(nn.input(14, 14, 256), 256)
    return nn.global_avg_pool(x) if mean else x
"""
OFF = "use-strassen{enabled=false}"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A large pointwise convolution, and a mean of its pixels unless `mean` is false."""
    path = tmp_path / "net.py"
    path.write_text(NETWORK)
    return path


def photos(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 14, 14, 256)).astype(np.float32)


def is_used(*words: str | Path) -> bool:
    return "schedule strassen" in done("compile", *words, "--stop-after", "plan").out


def test_images_do_not_reach_each_other(network: Path) -> None:
    assert is_used(network, "--batch", "2"), "it pays for a batch too"
    net, x = api.compile(network, batch=2), photos(2)
    alone = single(api.compile(network), x[1:])
    for spoilt in (x[0], x[0] * np.float32(1e6), np.full_like(x[0], np.nan), -np.inf + 0 * x[0]):
        scores = single(net, np.stack([spoilt, x[1]]))
        assert scores[1].tobytes() == alone[0].tobytes()
    assert np.isnan(scores[0]).all()


def test_a_bright_pixel_costs_no_other_one_digits(network: Path) -> None:
    assert not is_used(network, "-D", "mean=false")
    x = photos(1)
    x[0, 0, 0] *= 1e6
    params = {"mean": False}
    wanted = single(api.compile(network, params=params, backend="oracle"), x)
    mask = single(api.compile(network, params=params), x)
    errors = np.abs(mask - wanted).max(axis=-1) / np.abs(wanted).max(axis=-1)
    assert errors.max() < 5e-6


def test_it_says_why_it_is_not_used(network: Path) -> None:
    words = ("compile", network, "-D", "mean=false", "--stop-after", "plan", "--remarks")
    reason = "%pw: output 'output' has pixels, and nothing bounds how far pixels differ"
    assert f"net.py:6:9: use-strassen.too-rough: multiplied directly: {reason}" in done(*words).err


@pytest.mark.parametrize("options", [(), ("-O1",), ("--optimize=memory",), ("--fuse=always",)])
def test_it_is_switched_off_and_the_manifest_says_so(
    network: Path, options: tuple[str, ...], tmp_path: Path
) -> None:
    words = ("--no-strassen", "--emit", "ir", "--remarks")
    told = done("compile", network, *options, *words, "-o", tmp_path / "out").err
    assert "use-strassen.disabled: multiplied directly: %pw: enabled=false" in told
    passes = json.loads((tmp_path / "out" / "manifest.json").read_text())["passes"]
    assert [spec for spec in passes if spec.startswith("use-strassen")] == [OFF]
    assert not is_used(network, *options, "--no-strassen")
    assert is_used(network)
    assert not is_used(network, "--passes", OFF)


def test_a_network_that_comes_with_it_is_switched_off_too(network: Path, tmp_path: Path) -> None:
    text = done("compile", network, "--stop-after", "fuse").out
    (path := tmp_path / "net.mbc").write_text(text)
    for level in ("-O0", "-O2"):
        assert is_used(path, level)
        assert not is_used(path, level, "--no-strassen")


def test_python_and_all_commands_take_it(network: Path) -> None:
    x = photos(1)
    off = single(api.compile(network, strassen=False), x)
    assert off.tobytes() == single(api.compile(network, level=1), x).tobytes()
    assert off.tobytes() != single(api.compile(network), x).tobytes()
    for command in ("report", "profile", "bench"):
        rounds = () if command == "report" else ("--rounds", "1")
        done(command, network, *rounds, "--no-strassen", "--json")


def test_passes_have_it_as_their_own_option(network: Path) -> None:
    outcome = mbc("compile", network, "--passes", OFF, "--no-strassen")
    assert outcome.code == "E0106"
    assert "--passes and --no-strassen exclude each other" in outcome.err
    assert OFF in outcome.err
    with pytest.raises(MbcError, match="E0106"):
        api.compile(network, strassen=False, passes="fold-batch-norm")
