"""`mbc run`, `report` and the Python API."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import mbc as api
from mbc.diag import MbcError
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.runtime.images import read_image
from tests.e2e.support import CAT, EXAMPLES, done, mbc, relative_error, single


def tensor(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def test_run_takes_and_gives_raw_tensors(tiny: Path) -> None:
    np.save("x.npy", tensor(1, 16, 16, 3))
    results = []
    for backend in ("llvm", "oracle"):
        outcome = done("run", tiny, "--input", "x.npy", "--output", "y.npy", "--backend", backend)
        assert outcome.out == ""
        results.append(np.load("y.npy"))
    assert results[0].shape == (1, 10)
    assert results[0].dtype == np.float32
    assert relative_error(results[0], results[1]) <= 1e-5


def test_top_ranks_along_the_last_axis(tiny: Path) -> None:
    np.save("x.npy", tensor(2, 16, 16, 3))
    files = ("--input", "x.npy", "--output", "y.npy")
    out = done("run", tiny, "--batch", "2", *files, "--top", "3", "--backend", "oracle").out
    y = np.load("y.npy")
    expected = []
    for number, row in enumerate(y):
        expected.append(f"# output row {number}")
        order = sorted(range(10), key=lambda i: -row[i])[:3]
        expected += [f"{rank} {i} {row[i]:.6g}" for rank, i in enumerate(order, 1)]
    assert out.splitlines() == expected


def test_without_a_wish_there_is_a_summary(tiny: Path) -> None:
    np.save("x.npy", tensor(1, 16, 16, 3))
    lines = done("run", tiny, "--input", "x.npy").out.splitlines()
    assert lines[0].startswith("output (1, 10): min ")
    assert len(lines) == 6


def test_a_photo_is_scaled_and_cropped(tiny: Path) -> None:
    """The PPM beside the photo was made by the same rule, at 224."""
    photo = read_image(EXAMPLES / "images" / "cat.png", 224, 224)
    exact = read_image(CAT, 224, 224)
    assert photo.shape == (1, 224, 224, 3)
    assert photo.dtype == np.float32
    assert np.array_equal(photo, exact)
    assert -1 <= photo.min() < -0.8
    assert 0.5 < photo.max() <= 1
    done("run", tiny, "--input", EXAMPLES / "images" / "cat.png", "--top", "1")


def test_the_weights_are_told(tiny: Path) -> None:
    np.save("x.npy", tensor(1, 16, 16, 3))
    told = done("run", tiny, "--input", "x.npy", "--seed", "7").err
    assert "weights: initialised, seed 7" in told


def test_weights_from_a_file(tiny: Path) -> None:
    save_file(weights_of_another_seed(tiny), "w.safetensors")
    np.save("x.npy", tensor(1, 16, 16, 3))
    outcome = done(
        "run", tiny, "--input", "x.npy", "--output", "y.npy", "--weights", "w.safetensors"
    )
    assert "weights: from w.safetensors" in outcome.err
    seeded = single(api.compile(tiny), np.load("x.npy"))
    assert not np.array_equal(np.load("y.npy"), seeded)
    assert (
        mbc("run", tiny, "--input", "x.npy", "--weights", "w.safetensors", "--seed", "1").code
        == "E0106"
    )


def weights_of_another_seed(path: Path) -> dict[str, np.ndarray]:
    graph = load_network(path).trace({})
    initialise(graph, 3)
    return {name: constant.array for name, constant in graph.constants().items()}


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["--input", "missing.npy"], 1, "E0701"),
        (["--input", "missing.png"], 1, "E0701"),
        (["--input", "tiny.py"], 1, "E0705"),
        (["--input", "text.npy"], 1, "E0704"),
        (["--input", "cut.npy"], 1, "E0704"),
        (["--input", "objects.npy"], 1, "E0710"),
        (["--input", "nchw.npy"], 1, "E0710"),
        (["--input", "words.npy"], 1, "E0710"),
        (["--input", "cut.png"], 1, "E0705"),
        ([], 2, "E0101"),
        (["--input", "x.npy", "--input", "x.npy"], 2, "E0101"),
        (["--input", "x.npy", "--output", "a.npy", "--output", "b.npy"], 2, "E0101"),
        (["--input", "x.npy", "--output", "no/folder/y.npy"], 1, "E0703"),
        (["--input", "x.npy", "--top", "0"], 2, "E0101"),
        (["--input", "x.npy", "--stop-after", "fuse"], 1, "E0106"),
        (["--input", "x.npy", "--target", "arm64"], 2, "E0101"),
    ],
)
def test_inputs_that_are_refused(tiny: Path, words: list[str], status: int, code: str) -> None:
    x = tensor(1, 16, 16, 3)
    np.save("x.npy", x)
    np.save("nchw.npy", x.transpose(0, 3, 1, 2))
    np.save("words.npy", np.full((1, 16, 16, 3), "a"))
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    Path("text.npy").write_text("not numpy")
    Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:500])
    Path("cut.png").write_bytes((EXAMPLES / "images" / "cat.png").read_bytes()[:5000])
    outcome = mbc("run", tiny, *words)
    assert (outcome.status, outcome.code) == (status, code), outcome.err
    assert "Traceback" not in outcome.err


def test_an_image_needs_an_input_that_is_one(tiny: Path) -> None:
    outcome = mbc("run", tiny, "--batch", "2", "--input", CAT)
    assert (outcome.status, outcome.code) == (1, "E0706")


def test_report_takes_every_compile_flag(tiny: Path) -> None:
    words = ("-D", "width=16", "--target", "arm64", "--mcpu", "cortex-a53", "-O1", "--json")
    data = json.loads(done("report", tiny, *words).out)
    assert data["network"] == "tiny"
    assert data["macs"] == 64 * (27 * 16 + 9 * 16 + 16 * 32) + 320
    assert sum(layer["macs"] for layer in data["layers"]) == data["macs"]
    assert [layer["op"] for layer in data["layers"]][:3] == ["conv2d"] * 3
    assert data["layers"][0]["location"].startswith("tiny.py:10:")
    assert data["arena_bytes"] > 0
    assert data["weights_bytes"] >= 4 * sum(layer["params"] for layer in data["layers"])


def test_report_on_a_board_has_its_roofline(tiny: Path) -> None:
    data = json.loads(done("report", tiny, "--target", "rpi4", "--json").out)
    roof = data["roofline"]
    assert (roof["board"], roof["gflops"], roof["memory_gbs"]) == ("Raspberry Pi 4 Model B", 12, 8)
    assert len(roof["layers"]) == len(data["layers"])
    for layer, bound in zip(data["layers"], roof["layers"], strict=True):
        compute, memory = layer["macs"] / 6e6, layer["bytes"] / 8e6
        assert bound["ms"] == pytest.approx(max(compute, memory), abs=1e-4)
        assert bound["bound"] == ("compute" if compute >= memory else "memory")
    assert roof["ms"] == pytest.approx(sum(layer["ms"] for layer in roof["layers"]))
    out = done("report", tiny, "--target", "rpi4").out
    assert " least ms  bound" in out
    assert "on Raspberry Pi 4 Model B, one core, at least " in out
    assert json.loads(done("report", tiny, "--target", "arm64", "--json").out)["roofline"] is None


def test_report_agrees_with_the_manifest(tiny: Path) -> None:
    data = json.loads(done("report", tiny, "--target", "arm64", "--json").out)
    words = ("--target", "arm64", "--emit", "header", "-o", "out", "--json")
    manifest = json.loads(done("compile", tiny, *words).out)
    for key in ("network", "parameters", "macs", "params", "arena_bytes", "weights_bytes"):
        assert data[key] == manifest[key]


def test_report_stopped_early_lists_the_network_as_written(tiny: Path) -> None:
    data = json.loads(done("report", tiny, "--stop-after", "import", "--json").out)
    assert [layer["op"] for layer in data["layers"]][:3] == ["conv2d", "batch_norm", "relu"]
    assert data["arena_bytes"] == 0


def test_the_table_of_a_report(tiny: Path) -> None:
    out = done("report", tiny).out
    assert "stem.conv" in out
    assert "tiny (width=8 resolution=16 softmax=false batch=1) for native" in out


def test_the_python_api(tiny: Path) -> None:
    net = api.compile(tiny, params={"width": 16}, batch=2)
    x = tensor(2, 16, 16, 3)
    y = single(net, x)
    oracle = api.compile(str(tiny), params={"width": "16"}, batch=2, backend="oracle")
    assert relative_error(y, single(oracle, x)) <= 1e-5
    assert np.array_equal(y, net.run({"input": x.tolist()})["output"])
    assert np.array_equal(y, np.asarray(net(input=x)))
    assert net.inputs[0].shape == (2, 16, 16, 3)
    assert repr(net) == "<mbc network tiny: input[2, 16, 16, 3] -> output[2, 10]>"


def test_two_networks_live_side_by_side(tiny: Path) -> None:
    x = tensor(1, 16, 16, 3)
    nets = [api.compile(tiny, seed=seed) for seed in (0, 1)]
    first = [single(net, x) for net in nets]
    again = [single(net, x) for net in nets]
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], first[1])


def test_the_python_api_raises_diagnostics(tiny: Path) -> None:
    net = api.compile(tiny)
    for wrong in (tensor(1, 3, 16, 16), np.full((1, 16, 16, 3), "a")):
        with pytest.raises(MbcError, match="E0710"):
            net(wrong)
    with pytest.raises(MbcError, match="E0710"):
        net(tensor(1, 16, 16, 3), tensor(1, 16, 16, 3))
    with pytest.raises(MbcError, match="E0710"):
        net(image=tensor(1, 16, 16, 3))
    with pytest.raises(MbcError, match="E0106"):
        api.compile(tiny, level=4)
    with pytest.raises(MbcError, match="E0106"):
        api.compile(tiny, optimize="size")
    with pytest.raises(MbcError, match="E0110"):
        api.compile(tiny, params={"widht": 8})


PAIR = """\
from mbc.frontends.dsl import Net, Tensor, network


@network
def pair(nn: Net, *, channels: int = 12) -> dict[str, Tensor]:
    left = nn.input(6, 6, channels, name="left")
    right = nn.input(6, 6, channels, name="right")
    both = nn.relu(nn.add(left, right))
    return {"map": both, "scores": nn.global_avg_pool(both)}
"""


def test_several_inputs_and_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pair.py").write_text(PAIR)
    left, right = tensor(1, 6, 6, 12), tensor(1, 6, 6, 12, seed=1)
    np.save("l.npy", left)
    np.save("r.npy", right)
    inputs = ("--input", "l.npy", "--input", "r.npy")
    done("run", "pair.py", *inputs, "--output", "map.npy", "--output", "scores.npy")
    expected = np.maximum(left + right, 0)
    assert np.array_equal(np.load("map.npy"), expected)
    assert relative_error(np.load("scores.npy"), expected.mean((1, 2))) <= 1e-6
    lines = done("run", "pair.py", *inputs).out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["map", "scores", "#"]
    results = api.compile("pair.py")(left, right=right)
    assert isinstance(results, dict)
    assert set(results) == {"map", "scores"}
    assert mbc("run", "pair.py", "--input", "l.npy").status == 2
