"""`--fuse`: the mode of the passes that make one kernel of several, wherever they are run."""

import json
from pathlib import Path

import numpy as np
import pytest

import mbc as api
from mbc.diag import MbcError
from tests.e2e.support import EXAMPLES, done, relative_error, single

NETWORK = EXAMPLES / "mobilenet_v2.py"
SMALL = ("-D", "resolution=64", "-D", "alpha=0.35")
FUSING = (
    "fuse-universal-bottleneck",
    "fuse-inverted-residual",
    "fuse-depthwise-pointwise",
    "fuse-depthwise-mean",
    "fuse-channel-scale",
)


def fused_layers(*options: str) -> int:
    """How many layers of the compiled network are fused ones."""
    data = json.loads(done("report", NETWORK, *SMALL, *options, "--json").out)
    return sum(layer["op"].startswith("fused") for layer in data["layers"])


def test_how_much_is_fused() -> None:
    always, auto, never = (fused_layers("--fuse", mode) for mode in ("always", "auto", "never"))
    assert always == 16, "as many as the network has blocks, of which the first two are one"
    assert never == 0
    assert auto == fused_layers()
    assert 0 < auto <= always


def test_the_manifest_and_opt_know_it_as_an_option_of_the_passes(tmp_path: Path) -> None:
    words = ("--fuse=always", "--emit", "ir", f"--dump-ir={tmp_path / 'ir'}")
    done("compile", NETWORK, *SMALL, *words, "-o", tmp_path / "out")
    passes = json.loads((tmp_path / "out" / "manifest.json").read_text())["passes"]
    specs = [spec for spec in passes if spec.startswith(FUSING)]
    assert specs == [f"{name}{{mode=always}}" for name in FUSING]
    dumps = sorted((tmp_path / "ir").glob("*.mbc"))
    for before, after, spec in zip(dumps[:-1], dumps[1:], passes, strict=True):
        assert done("opt", before, "-p", spec).out == after.read_text(), spec


def test_the_answer_does_not_depend_on_it(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((1, 64, 64, 3), np.float32)
    np.save(tmp_path / "x.npy", x)
    answers = []
    for mode in ("always", "never"):
        files = ("--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
        done("run", NETWORK, *SMALL, "-D", "softmax=false", "--fuse", mode, *files)
        answers.append(np.load(tmp_path / "y.npy"))
    assert relative_error(*answers) < 1e-5
    params = {"resolution": 64, "alpha": 0.35, "softmax": False}
    net = api.compile(NETWORK, params=params, fuse="never")
    np.testing.assert_array_equal(single(net, x), answers[1])
    with pytest.raises(MbcError, match="E0106") as caught:
        api.compile(NETWORK, fuse="neverr")
    assert "did you mean 'never'?" in str(caught.value.diagnostics[0].helps)


def test_profile_and_bench_take_it() -> None:
    words = (NETWORK, *SMALL, "--rounds", "1", "--json")
    layers = json.loads(done("profile", *words, "--fuse", "never").out)["layers"]
    assert not any(layer["op"].startswith("fused") for layer in layers)
    assert json.loads(done("bench", *words, "--fuse", "always").out)["rounds"] == 1
