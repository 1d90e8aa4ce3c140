"""Lower PrimFuncs to source for a device's compiler, with the launch parameters of its kernels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mbc.backends.tvm.gpu.launch import Entry, Extent
from mbc.backends.tvm.require import ffi, tvm
from mbc.records import dataclass
from mbc.targets.gpu import Gpu


@dataclass(frozen=True)
class DeviceCode:
    """Kernels as source."""

    source: str
    """Text for the device's compiler."""
    entries: Mapping[str, tuple[Entry, ...]]
    """Kernels of each PrimFunc, in order, by the PrimFunc's given name."""


def tvm_target(gpu: Gpu) -> Any:
    """Make TVM's target for a GPU, with a host that TVM can generate code for."""
    kind: dict[str, str] = {"kind": gpu.api}
    if gpu.api == "cuda":
        kind["arch"] = gpu.arch
    target = tvm().target.Target
    return target(kind, host=target("llvm"))


def device_code(functions: Mapping[str, Any], gpu: Gpu) -> DeviceCode:
    """Generate the kernels of PrimFuncs, given by unique names that are C identifiers."""
    named = {name: f.with_attr("global_symbol", name) for name, f in functions.items()}
    module, target = _device_module(tvm().IRModule(named), tvm_target(gpu))
    kernels = {str(f.attrs["global_symbol"]): f for f in module.functions.values()}
    entries = {
        name: tuple(_entry(symbol, kernels[symbol]) for symbol in _kernels_of(name, kernels))
        for name in functions
    }
    from tvm.tirx.build import codegen_build

    return DeviceCode(str(codegen_build(module, target).inspect_source()), entries)


def _device_module(module: Any, target: Any) -> tuple[Any, Any]:
    """Return the device part of a module, ready for code generation, and its target."""
    from tvm.tirx.build import split_host_device_mods
    from tvm.tirx.compilation_pipeline import finalize_device_passes

    bound = tvm().tirx.transform.BindTarget(target)(module)
    _, device = split_host_device_mods(lowering()(bound))
    ((found, half),) = device.items()
    return finalize_device_passes()(half), found


def lowering() -> Any:
    """Return the passes for kernels with explicit threads.

    TVM's own pipeline is for schedules: it takes five times as long, and adds barriers where it
    cannot prove that there is no race.
    """
    tirx = tvm().tirx.transform
    passes = [
        tirx.StmtSimplify(),
        tirx.FlattenBuffer(),
        tirx.NarrowDataType(32),
        tirx.StmtSimplify(),
        tirx.VerifyMemory(),
        tirx.AnnotateEntryFunc(),
        tirx.SplitHostDevice(),
        tirx.MakePackedAPI(),
    ]
    return tvm().transform.Sequential(passes)


def _kernels_of(name: str, kernels: Mapping[str, Any]) -> list[str]:
    """List the kernels of a PrimFunc, which TVM names `name_kernel`, `name_kernel_1` and so on."""
    pattern = re.compile(rf"{re.escape(name)}_kernel(_(\d+))?")
    found = {int(m[2] or 0): symbol for symbol in kernels if (m := pattern.fullmatch(symbol))}
    return [found[number] for number in sorted(found)]


def _entry(symbol: str, kernel: Any) -> Entry:
    extents = dict(_extents(kernel))
    grid, block = (_extent(extents, name) for name in ("blockIdx", "threadIdx"))
    parameters = tuple(int(p.name.removeprefix("p").removesuffix("_ptr")) for p in kernel.params)
    return Entry(symbol, parameters, grid, block)


def _extent(extents: Mapping[str, int], name: str) -> Extent:
    x, y, z = (extents.get(f"{name}.{axis}", 1) for axis in "xyz")
    return x, y, z


def _extents(kernel: Any) -> Iterator[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    attribute = tvm().tirx.AttrStmt

    def visit(node: Any) -> None:
        if isinstance(node, attribute) and node.attr_key == "thread_extent":
            found.append((str(node.node.thread_tag), int(node.value)))

    ffi().structural_walk(kernel.body, visit)
    yield from found
