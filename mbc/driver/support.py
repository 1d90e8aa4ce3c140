"""Which backend has kernels for which op, from the backends' own answers and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from mbc.driver.platforms import resolve
from mbc.driver.producers.gpu import GpuProducer
from mbc.driver.producers.llvm import LlvmProducer
from mbc.driver.producers.tvm import TvmProducer
from mbc.ir.activations import KINDS, Activation
from mbc.ir.op import Op
from mbc.ops import OPS, Activate
from mbc.passes.quantising.forms import FORMS, form_of_activation
from mbc.targets.elements import CONVERSIONS
from mbc.targets.gpu import find_gpu

COLUMNS = ("oracle", "llvm", "tvm (CPU)", "tvm (GPU)", "ONNX export", "ONNX import")
YES = "yes"
NOT_MADE = "-"
"""A hole of the import: no op of ONNX becomes this one."""

Row: TypeAlias = tuple[str, ...]


def support_rows() -> list[Row]:
    """Return the name of each op and activation with a cell for each of COLUMNS: "yes", the code
    of the error that refuses it, or "-"."""
    ops = [(op.mnemonic, *support_of(op).values()) for op in OPS]
    acts = [(f"  {kind.name}", *support_of(Activate, kind).values()) for kind in KINDS.values()]
    return ops + acts


def support_of(op: type[Op], act: type[Activation] | None = None) -> Mapping[str, str]:
    """Return the cells of an op, or of an activation, by column."""
    return dict(zip(COLUMNS, _answers(op, act), strict=True))


def int8_rows() -> list[Row]:
    """Return what becomes of each op and activation in a quantised network."""
    ops: list[Row] = [(op.mnemonic, str(FORMS[op])) for op in OPS]
    return ops + [(f"  {kind.name}", str(form_of_activation(kind))) for kind in KINDS.values()]


def _answers(op: type[Op], act: type[Activation] | None) -> Iterator[str]:
    """Answer for the columns in turn; backends have all activations."""
    from mbc.frontends.lowering.makes import made_by_rules  # these take time to import
    from mbc.frontends.onnx.ops import is_exported
    from mbc.interp.run import evaluates

    refusal = "E0509" if op in CONVERSIONS else "E0517"
    yield YES if evaluates(op) else refusal
    for producer in _producers():
        yield YES if producer.backend().has_kernel(op) else refusal
    yield YES if is_exported(op) else refusal
    yield YES if (act or op) in made_by_rules() else NOT_MADE


def _producers() -> Iterator[LlvmProducer | TvmProducer | GpuProducer]:
    """Yield those whose backends have kernels of their own."""
    target, gpu = resolve("x86_64"), find_gpu("opencl")
    assert gpu is not None
    yield LlvmProducer(target)
    yield TvmProducer(target)
    yield GpuProducer(target, gpu.named(None))
