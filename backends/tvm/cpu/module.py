"""Networks for CPUs: a relax module that calls our LLVM kernels, as NET.so for TVM's runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mbc.backends.tvm.cpu.backend import TvmBackend
from mbc.backends.tvm.cpu.kernels import Call, CpuKernels, symbol
from mbc.backends.tvm.legal.expressions import Expr
from mbc.backends.tvm.module import relax_module, tensor_type
from mbc.backends.tvm.require import tvm
from mbc.files import scratch_folder
from mbc.ir.graph import Graph, Node
from mbc.ir.views import Value
from mbc.targets.kernels import refuse_ops
from mbc.targets.target import Target


def cpu_module(graph: Graph, target: Target) -> Any:
    """Return the graph as an IRModule with the kernels attached as an object file; raises E0509 and
    E0517."""
    refuse_ops(graph, TvmBackend(target).has_kernel, "TVM")
    caller = KernelCaller(target)
    module = relax_module(graph, caller)
    with scratch_folder() as scratch:
        path = scratch / "kernels.o"
        path.write_bytes(caller.kernels.object())
        library = tvm().runtime.load_static_library(str(path), [])
    return module.with_attr("external_mods", [library])


class KernelCaller:
    """Calls the LLVM backend's kernels where it has them."""

    def __init__(self, target: Target) -> None:
        self.kernels = CpuKernels(target)
        self._backend = TvmBackend(target)
        self._functions: dict[str, Any] = {}

    def emit(
        self, builder: Any, node: Node, known: Mapping[Value, Expr]
    ) -> tuple[Expr, ...] | None:
        """Emit a call of a node's kernel; None if it has none."""
        if not self._backend.supports(node):
            return None
        call = self.kernels.call(node)
        relax = tvm().relax
        arguments = [known[value] for view in node.views for value in view.values]
        if call.weights is not None:
            arguments.append(relax.const(call.weights))
        types = [tensor_type(result.type) for result in node.results]
        out = types[0] if len(types) == 1 else types
        result = builder.emit(
            relax.op.call_tir(self._function(builder, call), arguments, out_ty=out)
        )
        if len(types) == 1:
            return (result,)
        return tuple(builder.emit(relax.TupleGetItem(result, i)) for i in range(len(types)))

    def _function(self, builder: Any, call: Call) -> Any:
        if call.name not in self._functions:
            function = tvm().script.from_source(_source(call))
            self._functions[call.name] = builder.add_func(function, call.name)
        return self._functions[call.name]


# TVM generates what its calling convention asks for, checks of types and shapes among it. The
# attributes keep its passes from looking for a schedule, and from fusing what they cannot see.
SOURCE = """\
@T.prim_func(s_tir=True)
def {name}({parameters}):
    T.func_attr({{"op_pattern": 8, "tirx.is_scheduled": True}})
    with T.sblock("root"):
        T.reads()
        T.writes()
        assert T.call_extern("int32", "{symbol}", {data}) == 0, "{name} failed"
"""


def _source(call: Call) -> str:
    names = [f"t{i}" for i in range(len(call.shapes))]
    return SOURCE.format(
        name=call.name,
        symbol=symbol(call.name),
        parameters=", ".join(
            f'{name}: T.Buffer({shape}, "{dtype}")'
            for name, shape, dtype in zip(names, call.shapes, call.dtypes, strict=True)
        ),
        data=", ".join(f"{name}.data" for name in names),
    )
