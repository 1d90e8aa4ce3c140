"""Weight files: what is read, and how each bad file is refused."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mbc.diag import MbcError, render
from mbc.driver.request import Request, Silent
from mbc.driver.source import load
from mbc.frontends.dsl import Net
from mbc.frontends.weights import initialise, load_weights, save_weights
from mbc.ir.graph import Graph
from mbc.ir.text import DumpFolder

Arrays = dict[str, np.ndarray]


def sample() -> Graph:
    nn = Net(Graph("net"))
    x = nn.batch_norm(nn.conv(nn.input(8, 8, 3), 4, 3, name="stem"))
    x = nn.dense(nn.global_avg_pool(x), 10)
    nn.graph.set_outputs([x.value])
    return nn.graph


def good() -> Arrays:
    graph = sample()
    initialise(graph, seed=7)
    return {name: constant.array for name, constant in graph.constants().items()}


def write(path: Path, arrays: Arrays) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)  # type: ignore[arg-type]
    else:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    return path


def failures(path: Path) -> list[str]:
    """The rendered diagnostics; the graph must be left as it was."""
    graph = sample()
    with pytest.raises(MbcError) as problem:
        load_weights(graph, path)
    assert all(constant.data is None for constant in graph.constants().values())
    texts = (render(diagnostic) for diagnostic in problem.value.diagnostics)
    return [text.replace(f"{path.parent}/", "") for text in texts]


def codes(path: Path) -> list[str]:
    return [text[6:11] for text in failures(path)]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_what_is_written_is_read(suffix: str, tmp_path: Path) -> None:
    graph, wanted = sample(), good()
    load_weights(graph, write(tmp_path / f"net{suffix}", wanted))
    for name, constant in graph.constants().items():
        assert constant.array.tobytes() == wanted[name].tobytes()
        assert not constant.array.flags.writeable


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_converted(suffix: str, dtype: type, tmp_path: Path) -> None:
    given: Arrays = {name: array.astype(dtype) for name, array in good().items()}
    graph = sample()
    load_weights(graph, write(tmp_path / f"net{suffix}", given))
    for name, constant in graph.constants().items():
        np.testing.assert_array_equal(constant.array, given[name].astype(np.float32))


def test_other_memory_orders_are_read(tmp_path: Path) -> None:
    wanted = good()
    given: Arrays = {n: np.asfortranarray(array.astype(">f4")) for n, array in wanted.items()}
    graph = sample()
    load_weights(graph, write(tmp_path / "net.npz", given))
    for name, constant in graph.constants().items():
        np.testing.assert_array_equal(constant.array, wanted[name])


def test_weights_are_saved(tmp_path: Path) -> None:
    graph, wanted = sample(), good()
    load_weights(graph, write(tmp_path / "net.npz", wanted))
    save_weights(graph, tmp_path / "net.safetensors")
    saved = load_file(tmp_path / "net.safetensors")
    assert saved.keys() == wanted.keys()
    assert all(np.array_equal(saved[name], wanted[name]) for name in wanted)
    assert {path.name for path in tmp_path.iterdir()} == {"net.npz", "net.safetensors"}


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    graph = sample()
    initialise(graph)
    with pytest.raises(MbcError) as problem:
        save_weights(graph, tmp_path / "none" / "net.safetensors")
    assert problem.value.diagnostics[0].code == "E0703"


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_all_problems_are_listed_at_once(suffix: str, tmp_path: Path) -> None:
    arrays = good()
    arrays["stem.weights"] = arrays.pop("stem.weight")
    arrays["fc.weight"] = arrays["fc.weight"].T
    arrays["fc.bias"] = np.arange(10)
    assert failures(write(tmp_path / f"net{suffix}", arrays)) == [
        f"error[E0404]: net{suffix} lacks 1 weight\n  = stem.weight",
        f"error[E0405]: net{suffix} has 1 weight that the network does not\n"
        "  = stem.weights\n"
        "  = help: did you mean 'stem.weight'?",
        "error[E0406]: 1 weight of another shape\n"
        "  = fc.weight is [10,4], not [4,10]\n"
        "  = help: PyTorch's order? fc.weight.transpose(1, 0) has the right one; "
        "mbc weights map transposes a file",
        "error[E0407]: 1 weight of a type that mbc does not read\n"
        "  = fc.bias is i64\n"
        "  = help: store float32; float16, bfloat16 and float64 are converted to it",
    ]


TORCH = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}


def renamed(layer: str, roles: dict[str, str]) -> Arrays:
    """The good weights, with other names for those of a layer."""
    new = {f"{layer}.{ours}": f"{layer}.{theirs}" for ours, theirs in roles.items()}
    return {new.get(name, name): array for name, array in good().items()}


def test_pytorchs_batch_norms_are_translated(tmp_path: Path) -> None:
    arrays = renamed("stem.bn", TORCH)
    missing, extra = failures(write(tmp_path / "net.npz", arrays))
    assert missing == (
        "error[E0404]: net.npz lacks 4 weights\n"
        "  = stem.bn.gamma, stem.bn.beta, stem.bn.mean and 1 more"
    )
    assert extra == (
        "error[E0405]: net.npz has 4 weights that the network does not\n"
        "  = stem.bn.weight, stem.bn.bias, stem.bn.running_mean and 1 more\n"
        "  = help: 'stem.bn.weight' is 'stem.bn.gamma' here, "
        "'stem.bn.bias' is 'stem.bn.beta' here, "
        "'stem.bn.running_mean' is 'stem.bn.mean' here, "
        "'stem.bn.running_var' is 'stem.bn.variance' here"
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_what_pytorch_counts_is_ignored_with_a_word(suffix: str, tmp_path: Path) -> None:
    arrays = good() | {"stem.bn.num_batches_tracked": np.array(5)}
    remarks = load_weights(sample(), write(tmp_path / f"net{suffix}", arrays))
    assert remarks == ("ignored 1 'num_batches_tracked', which are no weights",)
    assert load_weights(sample(), write(tmp_path / f"net{suffix}", good())) == ()


def test_a_weight_where_gamma_is_missing_is_gamma(tmp_path: Path) -> None:
    """A layer norm has no running mean by which to know it."""
    arrays = renamed("stem.bn", {"gamma": "weight"})
    _, text = failures(write(tmp_path / "net.npz", arrays))
    assert "= help: 'stem.bn.weight' is 'stem.bn.gamma' here" in text


def test_names_of_keras_are_translated(tmp_path: Path) -> None:
    arrays = renamed("stem.bn", {"mean": "moving_mean", "variance": "moving_variance"})
    arrays["stem.kernel"] = arrays.pop("stem.weight")
    _, text = failures(write(tmp_path / "net.npz", arrays))
    assert "'stem.bn.moving_mean' is 'stem.bn.mean' here" in text
    assert "'stem.bn.moving_variance' is 'stem.bn.variance' here, and 1 more alike" in text


def test_hints_say_which_name_they_are_for(tmp_path: Path) -> None:
    arrays = renamed("stem.bn", {"gamma": "gama", "variance": "varience"})
    _, text = failures(write(tmp_path / "net.npz", arrays))
    assert "= help: 'stem.bn.gama': did you mean 'stem.bn.gamma'?" in text
    assert "= help: 'stem.bn.varience': did you mean 'stem.bn.variance'?" in text


def test_a_weight_of_another_shape_is_not_meant(tmp_path: Path) -> None:
    arrays = good()
    arrays["stem.wieght"] = arrays.pop("stem.weight")[:2]
    _, text = failures(write(tmp_path / "net.npz", arrays))
    assert "did you mean" not in text


def test_pytorchs_filters_are_recognised(tmp_path: Path) -> None:
    arrays = good()
    arrays["stem.weight"] = arrays["stem.weight"].transpose(3, 2, 0, 1)
    (text,) = failures(write(tmp_path / "net.npz", arrays))
    assert "stem.weight is [4,3,3,3], not [3,3,3,4]" in text
    assert "stem.weight.transpose(2, 3, 1, 0)" in text


def test_long_lists_are_cut(tmp_path: Path) -> None:
    (text,) = failures(write(tmp_path / "net.safetensors", {}))
    assert "lacks 7 weights\n  = stem.weight, stem.bn.gamma, stem.bn.beta and 4 more" in text


def safetensors(dtype: str, arrays: Arrays) -> bytes:
    """A file with a type that numpy lacks."""
    entries, offset = {}, 0
    for name, array in arrays.items():
        end = offset + array.nbytes
        entries[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [offset, end]}
        offset = end
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    data = b"".join(array.tobytes() for array in arrays.values())
    return struct.pack("<Q", len(header)) + header + data


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    upper: Arrays = {n: (a.view(np.uint32) >> 16).astype(np.uint16) for n, a in good().items()}
    path = tmp_path / "net.safetensors"
    path.write_bytes(safetensors("BF16", upper))
    graph = sample()
    load_weights(graph, path)
    for name, constant in graph.constants().items():
        bits = constant.array.view(np.uint32)
        np.testing.assert_array_equal(bits, upper[name].astype(np.uint32) << 16)


def test_another_type_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    eighths: Arrays = {name: np.zeros(array.shape, np.uint8) for name, array in good().items()}
    path.write_bytes(safetensors("F8_E4M3", eighths))
    (text,) = failures(path)
    assert text.startswith("error[E0407]: 7 weights of a type that mbc does not read")
    assert "stem.weight is f8_e4m3" in text


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_must_be_finite(value: float, tmp_path: Path) -> None:
    arrays = {name: array.astype(np.float64) for name, array in good().items()}
    arrays["fc.bias"][3] = value
    assert failures(write(tmp_path / "net.safetensors", arrays)) == [
        "error[E0408]: 1 weight with NaN or infinity as float32\n  = fc.bias[3]"
    ]


def test_a_variance_is_not_negative(tmp_path: Path) -> None:
    arrays = good()
    arrays["stem.bn.variance"] = arrays["stem.bn.variance"] - 10
    assert codes(write(tmp_path / "net.npz", arrays)) == ["E0409"]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
@pytest.mark.parametrize("keep", [0, 1, 7, 8, 60, 400, -1])
def test_a_cut_file_is_damaged(suffix: str, keep: int, tmp_path: Path) -> None:
    path = write(tmp_path / f"net{suffix}", good())
    path.write_bytes(path.read_bytes()[:keep])
    assert codes(path) == ["E0403"]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_flipped_bits_never_give_a_traceback(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"net{suffix}", good())
    content = path.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for position in random.integers(0, len(content), 200):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(random.integers(8))
        path.write_bytes(bytes(damaged))
        try:
            load_weights(sample(), path)
        except MbcError:
            refused += 1
    assert refused > 10


def test_a_header_may_not_lie_about_its_size(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    assert codes(path) == ["E0403"]


def test_a_huge_array_is_refused_by_its_shape(tmp_path: Path) -> None:
    """Before its data, which may be a few compressed kilobytes of zeros, is unpacked."""
    path = write(tmp_path / "net.npz", {n: a for n, a in good().items() if n != "fc.bias"})
    header = io.BytesIO()
    described = {"shape": (1 << 40,), "fortran_order": False, "descr": "<f4"}
    np.lib.format.write_array_header_1_0(header, described)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("fc.bias.npy", header.getvalue())
    assert codes(path) == ["E0406"]


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("the pickle was run",))


@pytest.mark.parametrize("kind", ["pt", "pth", "pkl", "pickle", "safetensors", "npz"])
def test_a_pickle_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{kind}"
    path.write_bytes(pickle.dumps({"stem.weight": Bomb()}))
    assert codes(path) == ["E0402"]


def test_a_pickled_array_is_refused(tmp_path: Path) -> None:
    arrays = good()
    arrays["fc.bias"] = np.array([Bomb()], dtype=object)
    assert codes(write(tmp_path / "net.npz", arrays)) == ["E0402"]


def test_what_pytorch_saves_is_refused_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps(Bomb()))
    assert codes(path) == ["E0402"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"\x89HDF")
    assert codes(tmp_path / "net.h5") == ["E0401"]
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        archive.writestr("readme.txt", "no weights")
    assert codes(tmp_path / "net.npz") == ["E0403"]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_unreadable_files(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"weights{suffix}", good())
    assert failures(tmp_path / f"weigths{suffix}") == [
        f"error[E0701]: cannot read weigths{suffix}: No such file or directory\n"
        f"  = help: did you mean 'weights{suffix}'?"
    ]
    (tmp_path / f"folder{suffix}").mkdir()
    assert failures(tmp_path / f"folder{suffix}") == [
        f"error[E0701]: cannot read folder{suffix}: Is a directory"
    ]


def test_a_dump_with_nan_is_refused(tmp_path: Path) -> None:
    graph = sample()
    initialise(graph)
    weight = graph.constants()["stem.weight"]
    weight.data = weight.array.copy()
    weight.data[0, 0, 1, 2] = np.nan
    with DumpFolder(tmp_path) as dumps:
        dumps.write(graph, "00-import.mbc")
    with pytest.raises(MbcError) as problem:
        load(Request(tmp_path / "00-import.mbc"), Silent())
    (found,) = problem.value.diagnostics
    assert (found.code, found.label) == ("E0408", "stem.weight[0,0,1,2]")
