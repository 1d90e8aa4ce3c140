"""Mapping a file's tensors to parameters: by name after rules, by an order of axes that is sure."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mbc.diag import MbcError, render
from mbc.driver.request import Request
from mbc.driver.weights import Mapping, MapRequest, map_weights, write_mapping
from mbc.frontends.dsl import Net
from mbc.frontends.weights import load_weights
from mbc.frontends.weights.orders import Order, targets
from mbc.frontends.weights.rules import read_rules, rename
from mbc.interp import evaluate
from mbc.ir.graph import Graph
from tests.e2e.support import done, mbc
from tests.hostile.cases.case import net
from tests.torch_files import Tensor, write, zip_bytes

Arrays = dict[str, np.ndarray]
NET = net(
    "x = nn.input(8, 8, 3)",
    "with nn.scope('stem'):",
    "    x = nn.relu(nn.batch_norm(nn.conv(x, 6, 3, stride=2, padding=1)))",
    "x = nn.batch_norm(nn.depthwise(x, 3, padding=1))",
    "x = nn.conv(x, 4, 3, groups=2, bias=True, name='grouped')",
    "return nn.dense(nn.global_avg_pool(x), 10)",
)
ROLES = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).uniform(0.1, 1, shape).astype(np.float32)


def norm(layer: str, channels: int) -> Arrays:
    vectors = {f"{layer}.{role}": random(channels) + i for i, role in enumerate(ROLES)}
    return {**vectors, f"{layer}.num_batches_tracked": np.array(7)}


def torch_state() -> Arrays:
    """As PyTorch names and orders them, but for the layers' names."""
    return {
        "stem.conv.weight": random(6, 3, 3, 3),
        **norm("stem.conv.bn", 6),
        "dw.weight": random(6, 1, 3, 3),
        **norm("dw.bn", 6),
        "grouped.weight": random(4, 3, 3, 3),
        "grouped.bias": random(4),
        "fc.weight": random(10, 4),
        "fc.bias": random(10),
    }


def wanted(state: Arrays) -> Arrays:
    """The same as mbc has them."""
    ours: Arrays = {}
    for name, array in state.items():
        layer, _, role = name.rpartition(".")
        role = ROLES.get(role, role) if layer.endswith("bn") else role
        if role != "num_batches_tracked":
            order = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[array.ndim]
            ours[f"{layer}.{role}"] = array.transpose(order)
    return ours


def torch_file(path: Path, state: Arrays) -> Path:
    return write(path, zip_bytes({name: Tensor.of(array) for name, array in state.items()}))


def mapped(
    folder: Path, file: Path, *, rules: str = "", order: Order | None = None, text: str = NET
) -> Mapping:
    (folder / "net.py").write_text(text)
    (folder / "rules.txt").write_text(rules)
    what = MapRequest(file, folder / "rules.txt", order)
    return map_weights(Request(folder / "net.py"), what)


def arrays(graph: Graph) -> Arrays:
    return {name: constant.array for name, constant in graph.constants().items()}


def same(found: Arrays, expected: Arrays) -> bool:
    assert found.keys() == expected.keys()
    return all(np.array_equal(found[name], expected[name]) for name in expected)


def failures(folder: Path, file: Path, **options: object) -> list[str]:
    with pytest.raises(MbcError) as problem:
        mapped(folder, file, **options)  # type: ignore[arg-type]
    texts = map(render, problem.value.diagnostics)
    return [text.replace(f"{folder}/", "") for text in texts]


def test_names_and_orders_of_pytorch(tmp_path: Path) -> None:
    file = torch_file(tmp_path / "w.pth", torch_state())
    found = mapped(tmp_path, file)
    assert same(arrays(found.graph), wanted(torch_state()))
    assert found.remarks == ("ignored 2 'num_batches_tracked', which are no weights",)
    changes = [each.target.change(len(each.stored.shape), each.order) for each in found.matches]
    assert changes.count("OIHW to HWIO") == 3
    assert changes.count("OI to IO") == 1
    write_mapping(found, tmp_path / "out.safetensors")
    assert same(load_file(tmp_path / "out.safetensors"), wanted(torch_state()))
    graph = found.graph.clone()
    assert load_weights(graph, file) == found.remarks
    assert same(arrays(graph), wanted(torch_state()))


def test_several_filters_a_channel_keep_their_order(tmp_path: Path) -> None:
    state = {"dw.weight": random(6, 1, 3, 3)}
    text = net("return nn.depthwise(nn.input(8, 8, 3), 3, multiplier=2)")
    found = mapped(tmp_path, torch_file(tmp_path / "w.pth", state), text=text)
    assert same(arrays(found.graph), wanted(state))


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_other_files_are_mapped_too(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"w.{kind}"
    state = torch_state()
    if kind == "npz":
        np.savez(path, **state)  # type: ignore[arg-type]
    else:
        save_file({n: np.ascontiguousarray(a) for n, a in state.items()}, path)
    assert same(arrays(mapped(tmp_path, path).graph), wanted(state))
    ours = {name: np.ascontiguousarray(array) for name, array in wanted(state).items()}
    save_file(ours, tmp_path / "ours.safetensors")
    assert same(arrays(mapped(tmp_path, tmp_path / "ours.safetensors").graph), ours)


def test_rules_rename_in_turn(tmp_path: Path) -> None:
    rules = tmp_path / "rules.txt"
    rules.write_text(
        "# comment\n\n"
        "features.0.0 -> stem.conv\n"
        "features.{i}.conv.{j} -> blocks.{i-1}.{j}.{i}\n"
        "blocks.{k}.0 -> b.{k+10}\n"
        "a.{i}.{i} -> twice.{i}\n"
        r"regex ^(\w+)\.kernel$ -> \1.weight" + "\n"
        "drop aux\n"
        "never -> used\n"
    )
    names = {
        "features.0.0.weight": "stem.conv.weight",
        "features.0.01.weight": "features.0.01.weight",
        "features.2.conv.1.weight": "blocks.1.1.2.weight",
        "features.12.conv.0.weight": "b.21.12.weight",
        "features.x.conv.0": "features.x.conv.0",
        "xfeatures.0.0": "xfeatures.0.0",
        "a.3.3.b": "twice.3.b",
        "a.3.4.b": "a.3.4.b",
        "fc.kernel": "fc.weight",
        "aux.weight": None,
        "auxiliary.weight": "auxiliary.weight",
    }
    found = rename(names, read_rules(rules))
    assert found.names == names
    assert found.remarks == (
        "dropped 1 tensors by the rules",
        "no tensor fits the rules of these lines: 9",
    )


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a = b", "a rule is OLD -> NEW"),
        ("-> b", "a rule is OLD -> NEW"),
        ("a ->", "a rule is OLD -> NEW"),
        ("drop", "a rule is OLD -> NEW"),
        ("a.{i -> b", "a placeholder on the left"),
        ("a.{i2} -> b", "a placeholder on the left"),
        ("a.{i} -> b.{j}", "{j} does not stand on the left"),
        ("a.{i} -> b.{i*2}", "a placeholder on the right"),
        ("a.{i} -> b if c.{j}", "{j} does not stand on the left"),
        ("count a.{n} -> b.{n}", "{n} is the count"),
        ("count a.{i} -> b.{j}", "{j} does not stand on the left"),
        (r"regex (a -> b", "no regular expression: missing )"),
        (r"regex a -> \3", "no regular expression: invalid group reference 3"),
    ],
)
def test_rules_that_cannot_be_read(line: str, wanted: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.txt"
    rules.write_text(f"# first\n{line}\n")
    with pytest.raises(MbcError) as problem:
        read_rules(rules)
    (found,) = problem.value.diagnostics
    assert found.code == "E0414"
    assert wanted in found.message
    assert f"rules.txt:2\n  |\n2 | {line}" in render(found)


def renamed(rules: str, names: str, folder: Path) -> list[str | None]:
    (folder / "rules.txt").write_text(rules)
    return list(rename(names.split(), read_rules(folder / "rules.txt")).names.values())


def test_conditions(tmp_path: Path) -> None:
    rules = "a.{i}.bn -> b.{i+1}.norm if a.{i}.pwl\na.{i}.bn -> c.{i}"
    names = "a.0.bn.weight a.1.bn.weight a.1.pwl.weight a.2.pwl2.weight a.2.bn"
    assert renamed(rules, names, tmp_path) == [
        "c.0.weight",
        "b.2.norm.weight",
        "a.1.pwl.weight",
        "a.2.pwl2.weight",
        "c.2",
    ]


def test_counting(tmp_path: Path) -> None:
    names = "s2.0.w s2.10.w s2.9.w s2.9.b s10.0.w s1.0.w other"
    assert renamed("count s{a}.{b} -> k.{n}", names, tmp_path) == [
        "k.1.w",
        "k.3.w",
        "k.2.w",
        "k.2.b",
        "k.4.w",
        "k.0.w",
        "other",
    ]


def test_a_dense_layer_from_a_convolution(tmp_path: Path) -> None:
    state = torch_state()
    state["fc.weight"] = state["fc.weight"][:, :, np.newaxis, np.newaxis]
    found = mapped(tmp_path, torch_file(tmp_path / "w.pth", state))
    assert same(arrays(found.graph), wanted(torch_state()))
    state["fc.weight"] = random(10, 4, 1, 3)
    (text,) = failures(tmp_path, torch_file(tmp_path / "w.pth", state))
    assert "fc.weight is [10,4,1,3], not [4,10]" in text


def test_a_mapping_by_rules(tmp_path: Path) -> None:
    layers = {"stem.conv": "features.0.0", "stem.conv.bn": "features.0.1", "dw": "features.1.0"}
    layers |= {"dw.bn": "features.1.1", "grouped": "head.0", "fc": "classifier.1"}
    state = {
        f"{layers[n.rpartition('.')[0]]}.{n.rpartition('.')[2]}": a
        for n, a in torch_state().items()
    } | {"aux.weight": random(3)}
    rules = "\n".join(f"{old} -> {new}" for new, old in layers.items()) + "\ndrop aux\n"
    found = mapped(tmp_path, torch_file(tmp_path / "w.pth", state), rules=rules)
    assert same(arrays(found.graph), wanted(torch_state()))
    assert found.remarks[1] == "dropped 1 tensors by the rules"


def test_all_that_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    state = torch_state()
    for name in ("dw.bn.weight", "dw.bn.bias", "dw.bn.running_mean", "dw.bn.running_var"):
        state[name.replace("dw.bn", "norm")] = state.pop(name)
    state["fc.bias"] = random(11)
    state["grouped.weight"] = random(4, 3, 3, 5)
    state["other.weight"] = random(6, 3, 3, 3)
    state["dw.weight"] = np.zeros((6, 1, 3, 3), np.int64)
    found = failures(
        tmp_path, torch_file(tmp_path / "w.pth", state), rules="other -> stem.conv\nnorm -> bn"
    )
    assert found == [
        "error[E0404]: w.pth lacks 4 weights\n"
        "  = dw.bn.gamma [6]\n  dw.bn.beta [6]\n  dw.bn.mean [6]\n  dw.bn.variance [6]",
        "error[E0405]: w.pth has 4 weights that the network does not\n"
        "  = norm.weight [6] as bn.weight\n  norm.bias [6] as bn.bias\n"
        "  norm.running_mean [6] as bn.running_mean\n  norm.running_var [6] as bn.running_var\n"
        "  = help: --rules FILE renames tensors, and drops those that are not wanted",
        "error[E0415]: 1 weight for which there are several tensors\n"
        "  = stem.conv.weight: stem.conv.weight, other.weight",
        "error[E0406]: 2 weights of another shape\n"
        "  = grouped.weight: grouped.weight is [4,3,3,5], not [3,3,3,4]\n"
        "  fc.bias: fc.bias is [11], not [10]",
        "error[E0407]: 1 weight of a type that mbc does not read\n"
        "  = dw.weight is i64\n"
        "  = help: store float32; float16, bfloat16 and float64 are converted to it",
    ]


SQUARE = net(
    "x = nn.conv(nn.input(8, 8, 3), 3, 3)",
    "x = nn.pointwise(x, 3)",
    "return nn.dense(nn.dense(nn.global_avg_pool(x), 3), 1)",
)
SQUARES = {
    "conv.weight": random(3, 3, 3, 3),
    "pw.weight": random(3, 3, 1, 1),
    "fc.weight": random(3, 3),
    "fc.bias": random(3),
    "fc2.weight": random(1, 3),
    "fc2.bias": random(1),
}


def test_a_shape_that_fits_two_orders_is_an_error(tmp_path: Path) -> None:
    file = torch_file(tmp_path / "w.pth", SQUARES)
    assert failures(tmp_path, file, text=SQUARE) == [
        "error[E0413]: 2 weights whose shape fits two orders of axes\n"
        "  = conv.weight: conv.weight [3,3,3,3]\n  fc.weight: fc.weight [3,3]\n"
        "  = help: mbc weights map takes --layout pytorch (OIHW, OI) or mbc (HWIO, IO)"
    ]
    theirs = arrays(mapped(tmp_path, file, text=SQUARE, order="pytorch").graph)
    assert np.array_equal(theirs["conv.weight"], SQUARES["conv.weight"].transpose(2, 3, 1, 0))
    assert np.array_equal(theirs["fc.weight"], SQUARES["fc.weight"].T)
    (text,) = failures(tmp_path, file, text=SQUARE, order="mbc")
    assert "E0406" in text
    assert "pw.weight is [3,3,1,1], not [1,1,3,3]\n  fc2.weight: fc2.weight is [1,3]" in text


def test_shapes_whose_order_does_not_matter(tmp_path: Path) -> None:
    text = net(
        "x = nn.pointwise(nn.input(4, 4, 1), 1)", "return nn.dense(nn.global_avg_pool(x), 1)"
    )
    state = {"pw.weight": random(1, 1, 1, 1), "fc.weight": random(1, 1), "fc.bias": random(1)}
    found = mapped(tmp_path, torch_file(tmp_path / "w.pth", state), text=text)
    assert all(np.array_equal(arrays(found.graph)[name], state[name]) for name in state)


def flattening() -> Graph:
    nn = Net(Graph("net"))
    x = nn.reshape(nn.relu(nn.input(2, 3, 4)), (1, 24))
    nn.graph.set_outputs([nn.dense(nn.relu(x), 24, bias=False).value])
    return nn.graph


def test_rows_after_a_flattened_map_change_their_order() -> None:
    graph = flattening()
    target = targets(graph)["fc.weight"]
    assert target.map == (2, 3, 4)
    assert target.orders((24, 24)) == ("mbc", "pytorch")
    theirs, x = random(24, 24), random(1, 2, 3, 4)
    target.constant.data = target.arranged(theirs, "pytorch")
    assert target.change(2, "pytorch") == "OI to IO, rows chw to hwc"
    (found,) = evaluate(graph, {"input": x})
    expected = x.transpose(0, 3, 1, 2).reshape(1, 24) @ theirs.T
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_command(tmp_path: Path) -> None:
    file = torch_file(tmp_path / "w.pth", {f"module.{n}": a for n, a in torch_state().items()})
    (tmp_path / "net.py").write_text(NET)
    shown = done("weights", "show", file)
    assert shown.out.splitlines()[:2] == [
        "name                       shape      type",
        "stem.conv.weight           [6,3,3,3]  f32",
    ]
    assert shown.err == (
        "stripped 'module.' from 16 names\nignored 2 'num_batches_tracked', which are no weights\n"
    )
    listed = json.loads(done("weights", "show", file, "--json").out)
    assert listed["tensors"][0] == {
        "name": "stem.conv.weight",
        "shape": [6, 3, 3, 3],
        "dtype": "f32",
    }
    assert len(listed["remarks"]) == 2
    out = tmp_path / "out.safetensors"
    table = done("weights", "map", file, tmp_path / "net.py", "-o", out)
    assert (
        "stem.conv.bn.gamma     [6]        stem.conv.bn.weight        [6]        f32" in table.out
    )
    assert table.err.endswith(f"wrote {out}: 14 tensors\n")
    assert same(load_file(out), wanted(torch_state()))
    dry = done("weights", "map", file, tmp_path / "net.py")
    assert (dry.out, "wrote" in dry.err) == (table.out, False)


def test_nothing_is_written_on_an_error(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SQUARE)
    file = torch_file(tmp_path / "w.pth", SQUARES)
    out = tmp_path / "out.safetensors"
    failed = mbc("weights", "map", file, tmp_path / "net.py", "-o", out)
    assert (failed.status, failed.out, out.exists()) == (1, "", False)
    assert "E0413" in failed.err
    told = mbc("weights", "map", file, tmp_path / "net.py", "-o", tmp_path / "out.npz")
    assert told.status == 2
    assert mbc("weights").status == 2
