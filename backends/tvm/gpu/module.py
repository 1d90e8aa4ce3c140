"""Networks for GPUs as a module of TVM: mbc's kernels, and CPU code that launches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mbc.backends.tvm.build import cpu_target
from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.backends.tvm.gpu.device import lowering
from mbc.backends.tvm.gpu.kernels import kernels_of
from mbc.backends.tvm.gpu.launch import Read, Weights, Write
from mbc.backends.tvm.gpu.planner import Functions
from mbc.backends.tvm.legal.expressions import Expr
from mbc.backends.tvm.module import relax_module, tensor_type
from mbc.backends.tvm.require import tvm
from mbc.ir.graph import Graph, Node
from mbc.ir.views import Value
from mbc.ops.outputs import with_plain_outputs
from mbc.targets.gpu import Gpu
from mbc.targets.kernels import refuse_bodies, refuse_ops
from mbc.targets.target import Target

LOWERING = "mbc"  # the name under which the lowering passes are registered


def gpu_module(graph: Graph, gpu: Gpu) -> Any:
    """Return the graph as an IRModule whose functions are kernels for the GPU. Raises E0509
    and E0517."""
    backend = GpuBackend(gpu)
    refuse_ops(graph, backend.has_kernel, f"TVM for {gpu}")
    refuse_bodies(graph, backend, f"TVM for {gpu}")
    return relax_module(with_plain_outputs(graph), LaunchCaller(gpu))


def compile_gpu_module(module: Any, target: Target, gpu: Gpu) -> Any:
    """Compile a module to an executable of TVM's virtual machine.

    Kernels are scheduled already, so of TVM's pipeline only the passes that generate code for the
    virtual machine are run."""
    kind = {"kind": gpu.api} | ({"arch": gpu.arch} if gpu.api == "cuda" else {})
    chosen = tvm().target.Target(kind, host=tvm().target.Target(cpu_target(target)))
    tvm().tirx.register_tir_pipeline(LOWERING, _lowering)
    return tvm().compile(module, target=chosen, relax_pipeline=_to_vm(), tir_pipeline=LOWERING)


def _lowering() -> tuple[Any, Any, Any]:
    """Return TVM's lowering passes; those of kernels are the ones that other launchers use."""
    from tvm.tirx.compilation_pipeline import finalize_device_passes, finalize_host_passes

    return lowering(), finalize_host_passes, finalize_device_passes


def _to_vm() -> Any:
    transform = tvm().relax.transform
    return tvm().transform.Sequential(
        [
            transform.ToNonDataflow(),
            transform.RemovePurityChecking(),
            transform.CallTIRRewrite(),
            transform.StaticPlanBlockMemory(),
            transform.LowerAllocTensor(),
            transform.KillAfterLastUse(),
            transform.LowerRuntimeBuiltin(),
            transform.ComputePrimValue(),
            transform.VMShapeLower(),
            transform.AttachGlobalSymbol(),
        ]
    )


class LaunchCaller:
    """Calls the kernels of each node."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._functions = Functions()
        self._added: dict[str, Any] = {}

    def emit(self, builder: Any, node: Node, known: Mapping[Value, Expr]) -> tuple[Expr, ...]:
        """Emit a call for each kernel of a node; every kernel writes one value."""
        made = dict(known)
        for kernel in kernels_of(node, self._gpu):
            arguments, outputs = [], []
            for argument in kernel.arguments:
                match argument:
                    case Read(value):
                        arguments.append(made[value])
                    case Weights(array):
                        arguments.append(tvm().relax.const(array))
                    case Write(value):
                        outputs.append(value)
            (output,) = outputs
            function = self._function(builder, kernel.function)
            call = tvm().relax.op.call_tir(function, arguments, out_ty=tensor_type(output.type))
            made[output] = builder.emit(call)
        return tuple(made[result] for result in node.results)

    def _function(self, builder: Any, function: Any) -> Any:
        name = self._functions.name(function)
        if name not in self._added:
            self._added[name] = builder.add_func(function, name)
        return self._added[name]
