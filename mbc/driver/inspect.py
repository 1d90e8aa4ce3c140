"""A compilation with a record of every stage, for `mbc inspect` and reports."""

from __future__ import annotations

from mbc import __version__
from mbc.driver.clock import is_here, measured_mhz
from mbc.driver.configuration import Configuration
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import Write, compile_configured
from mbc.driver.producers.llvm import lower_graph
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import Observer, Request
from mbc.inspect.limits import Limits
from mbc.inspect.model import Inspected, Kernel, Lowered, Network
from mbc.inspect.stages import Trace
from mbc.memory.facts import Facts
from mbc.passes.pipelines import DEFAULT_LEVEL
from mbc.report.memory import memory_of
from mbc.targets.target import Target

NOTHING_MORE = Inspection()


def inspect(
    configuration: Configuration,
    observer: Observer,
    *,
    inspection: Inspection = NOTHING_MORE,
    write: Write = lambda text: None,
    mhz: int | None = None,
) -> Inspected:
    """Compile a network for a CPU, and return what each pass did. Predicted times are those of one
    core, at `mhz`, the clock of the target's board, or the measured one of this machine."""
    trace = Trace(configuration.producer.backend())
    compiled = compile_configured(configuration, inspection, observer, write, (trace,))
    return Inspected(
        network=_network(configuration.request, compiled),
        stages=tuple(trace.stages),
        graphs=tuple(trace.graphs),
        limits=_limits(compiled.target, mhz),
        lowered=_lowered(compiled, observer),
        constants=trace.constants,
    )


def _limits(target: Target, mhz: int | None) -> Limits:
    if mhz is None and is_here(target):
        return Limits.of(target, round(measured_mhz(target)), "measured")
    return Limits.of(target, mhz)


def _network(request: Request, compiled: Compiled) -> Network:
    source, target = compiled.source, compiled.target
    level = DEFAULT_LEVEL if request.level is None else request.level
    return Network(
        name=source.network,
        parameters=source.parameters,
        file=str(request.file),
        weights=source.weights,
        macs=source.totals.macs,
        params=source.totals.params,
        target=target.name,
        cpu=target.cpu,
        backend=compiled.producer.name,
        level=None if request.passes else level,
        goal=request.optimize or "speed",
        quantised=compiled.quantisation is not None,
        mbc=__version__,
    )


def _lowered(compiled: Compiled, observer: Observer) -> Lowered | None:
    if compiled.graph.arena_bytes is None:
        return None
    lowered = lower_graph(compiled, observer)
    spec, facts = lowered.spec, Facts(compiled.producer.backend())
    kernels = tuple(
        Kernel(
            call.info.layer.name, call.info.name, call.alone, call.info.tasks, call.info.is_dealt
        )
        for call in lowered.calls
    )
    memory = memory_of(compiled.graph, facts, spec.shared_bytes, spec.scratch_bytes)
    return Lowered(kernels, memory, spec.weights_bytes)
