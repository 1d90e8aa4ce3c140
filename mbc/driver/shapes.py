"""The inputs of a network, found without compiling it."""

from __future__ import annotations

from mbc.diag import error, nearest
from mbc.driver.request import Request
from mbc.driver.source import read_graph
from mbc.runtime.abi import IoSpec, interface_of
from mbc.runtime.manifest import FILE_NAME, read_inputs, read_preprocessing
from mbc.runtime.preprocessing import Preprocessing


def inputs_of(request: Request) -> tuple[IoSpec, ...]:
    """Return the inputs of a network (.py or .mbc), or of what `mbc compile` made of one (its
    folder or manifest.json). Raises E0102, E0103, E0713, and what reading a network raises."""
    file = request.file
    if file.is_dir():
        file = file / FILE_NAME
    if file.name == FILE_NAME:
        return read_inputs(file)
    inputs, _ = interface_of(read_graph(request))
    return inputs


def preprocessing_of(request: Request) -> Preprocessing | None:
    """Return the preprocessing that `mbc compile` recorded, if any; E0701, E0713."""
    file = request.file / FILE_NAME if request.file.is_dir() else request.file
    return read_preprocessing(file) if file.name == FILE_NAME else None


def choose_input(inputs: tuple[IoSpec, ...], name: str | None) -> IoSpec:
    """Find the input of that name, or the only one; E0710 else."""
    known = {spec.name: spec for spec in inputs}
    if name is None and len(inputs) == 1:
        return inputs[0]
    listed = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in inputs)
    if name is None:
        helps = [f"choose one with --input: {listed}"]
        raise error("E0710", f"the network has {len(inputs)} inputs", helps=helps)
    if name not in known:
        helps = [*nearest(name, known), f"inputs: {listed}"]
        raise error("E0710", f"there is no input '{name}'", helps=helps)
    return known[name]
