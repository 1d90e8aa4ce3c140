"""`mbc.from_torch` and .pt2 files: names, errors, and what is refused."""

from __future__ import annotations

import inspect
import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  as everybody calls it

import mbc
from mbc.cli import main
from mbc.diag import MbcError
from mbc.frontends.torch import import_pt2
from mbc.ir.text import print_graph
from tests.pytorch.functions import drawn

X = drawn(1, 3, 8, 8)


class Block(nn.Module):
    """A network with a shuffle and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU())
        self.fc = nn.Linear(8 * 4 * 4, 5)

    def forward(self, x: Any) -> Any:
        x = F.channel_shuffle(self.stem(x), 4)
        return self.fc(torch.flatten(x, 1))


@pytest.fixture(scope="module")
def block() -> Any:
    torch.manual_seed(0)
    return Block().eval()


@pytest.fixture(scope="module")
def saved(block: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "block.pt2"
    torch.export.save(torch.export.export(block, (X,)), path)
    return path


def refused(act: Callable[[], object]) -> MbcError:
    with pytest.raises(MbcError) as caught:
        act()
    return caught.value


def test_a_module_is_compiled_and_computes_the_same(block: Any) -> None:
    net = mbc.compile(mbc.from_torch(block, (X,), name="my block"))
    assert (net.name, [spec.name for spec in net.inputs]) == ("my_block", ["x"])
    made = np.asarray(net(X.numpy().transpose(0, 2, 3, 1)))
    with torch.no_grad():
        np.testing.assert_allclose(made, block(X).numpy(), rtol=1e-4, atol=1e-5)


def test_weights_keep_the_names_of_parameters(block: Any) -> None:
    names = mbc.from_torch(block, (X,)).graph.constants().keys()
    assert names == {name for name in block.state_dict() if "num_batches" not in name}


def test_inputs_may_be_given_as_pytorch_has_them(block: Any) -> None:
    net = mbc.compile(mbc.from_torch(block, (X,), input_layout="nchw"), backend="oracle")
    made = np.asarray(net(X.numpy()))
    with torch.no_grad():
        np.testing.assert_allclose(made, block(X).numpy(), rtol=1e-4, atol=1e-5)


def test_a_program_is_taken_as_well_as_its_module(block: Any) -> None:
    program = torch.export.export(block, (X,))
    first, second = (mbc.from_torch(each, (X,)).graph for each in (block, program))
    assert print_graph(first) == print_graph(second)


def test_a_file_holds_the_same_network(
    block: Any, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(saved), "--check"]) == 0
    assert "nodes" in capsys.readouterr().out
    text = tmp_path / "block.mbc"
    mbc.from_torch(block, (X,)).save(text)
    nets = [mbc.compile(path, backend="oracle") for path in (saved, text)]
    first, second = (net(X.numpy().transpose(0, 2, 3, 1)) for net in nets)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


class Unknown(nn.Module):
    """Ops that mbc has none for, in a module of a module."""

    def __init__(self) -> None:
        super().__init__()
        self.neck = nn.Sequential(nn.Conv2d(3, 3, 1), Sorted(), Sorted())

    def forward(self, x: Any) -> Any:
        return torch.sort(self.neck(x), 1).values


class Sorted(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.cumsum(x, 1)


def test_all_that_is_not_supported_is_told_at_once() -> None:
    """With the line and the module of the first."""
    error = refused(lambda: mbc.from_torch(Unknown().eval(), (drawn(1, 3, 4, 4),)))
    told = {d.message: d for d in error.diagnostics}
    assert {d.code for d in error.diagnostics} == {"E0802"}
    sums = told["aten.cumsum is not supported"]
    assert sums.label is not None
    assert sums.label.startswith("2 nodes, the first is 'cumsum' in module neck.1")
    lines, start = inspect.getsourcelines(Sorted)
    assert sums.location is not None
    assert Path(sums.location.file) == Path(__file__)
    assert sums.location.line == start + len(lines) - 1
    assert "mbc ops --torch" in sums.helps[0]


def test_training_mode_is_refused() -> None:
    error = refused(lambda: mbc.from_torch(Block().train(), (X,)))
    assert error.diagnostics[0].code == "E0802"
    assert "stem.1.running_mean" in error.diagnostics[0].message
    assert "model.eval()" in error.diagnostics[0].helps[0]
    error = refused(lambda: mbc.from_torch(nn.Dropout().train(), (X,)))
    assert "training mode" in error.diagnostics[0].message


def scripted() -> Any:
    """A module of TorchScript."""
    with warnings.catch_warnings(action="ignore"):  # it is deprecated
        return torch.jit.trace(nn.ReLU(), X)


class OnData(nn.Module):
    def forward(self, x: Any) -> Any:
        return x + 1 if x.sum() > 0 else x - 1


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: mbc.from_torch(OnData(), (X,)), "E0809"),
        (lambda: mbc.from_torch(lambda x: x, (X,)), "E0809"),
        (lambda: mbc.from_torch(scripted(), (X,)), "E0809"),
        (lambda: mbc.from_torch(nn.ReLU(), (torch.ones(2, 2, dtype=torch.int64),)), "E0802"),
        (lambda: mbc.from_torch(nn.ReLU(), ()), "E0809"),
    ],
)
def test_what_is_no_module_for_export_is_refused(make: Callable[[], object], code: str) -> None:
    assert {d.code for d in refused(make).diagnostics} == {code}


def test_dynamic_shapes_are_refused(tmp_path: Path) -> None:
    dynamic = {"input": {0: torch.export.Dim("batch")}}
    program = torch.export.export(nn.ReLU(), (drawn(2, 3),), dynamic_shapes=dynamic)
    assert refused(lambda: mbc.from_torch(program)).diagnostics[0].code == "E0804"
    torch.export.save(program, tmp_path / "dynamic.pt2")
    assert refused(lambda: import_pt2(tmp_path / "dynamic.pt2")).diagnostics[0].code == "E0804"


class Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code of a file was run')",))


def test_example_inputs_that_are_code_are_not_run(saved: Path, tmp_path: Path) -> None:
    content, path = io.BytesIO(), tmp_path / "bomb.pt2"
    torch.save(Bomb(), content)
    with zipfile.ZipFile(saved) as had, zipfile.ZipFile(path, "w") as made:
        for entry in had.infolist():
            is_sample = "data/sample_inputs/" in entry.filename
            made.writestr(entry, content.getvalue() if is_sample else had.read(entry))
    assert refused(lambda: import_pt2(path)).diagnostics[0].code == "E0810"


def test_files_of_torchscript_and_pickled_modules_are_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):  # they are deprecated
        torch.jit.save(scripted(), tmp_path / "script.pt2")
    torch.save(nn.ReLU(), tmp_path / "module.pt2")
    torch.save(nn.ReLU(), tmp_path / "old.pt2", _use_new_zipfile_serialization=False)
    for name in ("script", "module", "old"):
        error = refused(lambda name=name: import_pt2(tmp_path / f"{name}.pt2"))  # type: ignore[misc]
        assert error.diagnostics[0].code == "E0810", name
        assert "torch.export.save" in error.diagnostics[0].helps[0]


def test_half_precision_is_computed_in_float32() -> None:
    torch.manual_seed(0)
    module = nn.Conv2d(3, 4, 3).eval()
    expected = module(X).detach().numpy()
    net = mbc.compile(mbc.from_torch(module.half(), (X.half(),)), backend="oracle")
    made = np.asarray(net(X.numpy().transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(made.transpose(0, 3, 1, 2), expected, atol=2e-3)
