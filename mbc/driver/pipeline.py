"""From an imported graph to one that a backend can lower: the stages up to `plan`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from mbc.diag import error, nearest
from mbc.driver.byte_inputs import check_byte_options, with_byte_inputs
from mbc.driver.configuration import Configuration, refuse_options, resolve_request
from mbc.driver.formats import FORMATS
from mbc.driver.instrumentation import Inspection, instruments, summaries, weight_remarks
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import Observer, Request
from mbc.driver.source import Source, load
from mbc.int8.file import read_quantisation
from mbc.int8.quantisation import Quantisation
from mbc.ir.graph import Graph
from mbc.passes.byte_inputs import without_bytes
from mbc.passes.pipelines import (
    DEFAULT_LEVEL,
    FUSE_MODES,
    GOALS,
    PASSES,
    planned,
    with_fuse_mode,
    with_plans,
    with_quantisation,
    without_strassen,
)
from mbc.passes.plan_memory import Threads
from mbc.passes.quantise import Quantise
from mbc.passes.quantising.portable import Portable
from mbc.passmgr.manager import Instrument, PassRecord, run_pipeline
from mbc.passmgr.passes import Pass, PassContext, Pipeline
from mbc.passmgr.pipeline import parse_passes, spec_of, stop_after

LATER_STAGES = ("lower", "emit")

Write = Callable[[str], None]


def compile_graph(
    request: Request, inspection: Inspection, observer: Observer, write: Write
) -> Compiled:
    """Resolve a request, and compile it."""
    return compile_configured(resolve_request(request), inspection, observer, write)


def compile_configured(
    configuration: Configuration,
    inspection: Inspection,
    observer: Observer,
    write: Write,
    more: Sequence[Instrument] = (),
) -> Compiled:
    """Load the file and run the passes that are asked for, with more instruments around them; what
    is inspected goes to `write`."""
    request = configuration.request
    quantised = request.quantize is not None or request.file.suffix in FORMATS  # perhaps
    pipeline_of(request, configuration.producer.plans, quantised)  # mistakes come before work
    check_byte_options(request)
    refuse_options(configuration.producer, {"--input-dtype": request.input_dtype})
    if request.stop_after in (None, *LATER_STAGES):
        configuration.producer.require()
    source = with_byte_inputs(load(request, observer), request, observer)
    return compile_source(configuration, source, inspection, observer, write, more)


def compile_source(
    configuration: Configuration,
    source: Source,
    inspection: Inspection,
    observer: Observer,
    write: Write,
    more: Sequence[Instrument] = (),
) -> Compiled:
    """Run the passes that are asked for over a network that is loaded."""
    producer, request = configuration.producer, configuration.request
    quantisation = quantisation_of(request, source)
    pipeline = pipeline_of(request, producer.plans, quantisation is not None)
    graph = source.graph.clone()
    graph.meta |= configuration.header
    observer.step("running passes")
    context = PassContext(producer.backend(), quantisation)
    records = run_passes(graph, pipeline, context, inspection, write, more)
    for line in weight_remarks(inspection, graph):
        write(line)
    passes = tuple(spec_of(record.step.instance) for record in records)
    return Compiled(source, producer, graph, passes, quantisation)


def reference_graph(compiled: Compiled) -> Graph:
    """Return the graph whose answer code must give: the network as written, on codes if it was
    quantised."""
    return on_codes(compiled.source.graph, compiled.quantisation)


def on_codes(graph: Graph, quantisation: Quantisation | None) -> Graph:
    """Return a graph as written, or a copy of it on codes."""
    if quantisation is None:
        return graph
    copy = graph.clone()
    Quantise().run(copy, PassContext(Portable(), quantisation))
    return copy


def quantisation_of(request: Request, source: Source) -> Quantisation | None:
    """Return the ranges that `--quantize` names, or what the model states. Raises E0106 for both,
    E0555, E0556, E0701."""
    if request.quantize is None:
        return source.quantisation
    if source.quantisation is not None:
        helps = ["--float takes the model in float32, which ranges are for"]
        raise error("E0106", f"{request.file} is quantised: --quantize is for others", helps=helps)
    measured = read_quantisation(request.quantize)
    measured.check(without_bytes(source.graph), request.quantize)
    return measured.quantisation


def pipeline_of(request: Request, plans: Collection[Threads], quantised: bool) -> Pipeline:
    """Return the passes that `-O`, `--optimize`, `--fuse`, `--no-strassen`, `--passes` and
    `--stop-after` add up to, with these memory plans, of a network that is to be quantised or not.
    Raises E0106, E051x."""
    if request.passes is None:
        pipeline = _fusing(_pipeline_for(request.optimize or "speed", request.level), request)
    elif request.level is not None:
        raise error("E0106", f"--passes and -O{request.level} exclude each other")
    elif request.optimize is not None:
        raise error("E0106", f"--passes and --optimize={request.optimize} exclude each other")
    elif request.fuse is not None:
        helps = ["passes take it as an option: 'fuse-depthwise-pointwise{mode=always}'"]
        raise error("E0106", f"--passes and --fuse={request.fuse} exclude each other", helps=helps)
    elif not request.strassen:
        helps = ["the pass takes it as an option: 'use-strassen{enabled=false}'"]
        raise error("E0106", "--passes and --no-strassen exclude each other", helps=helps)
    else:
        pipeline = planned(named_passes(request.passes))
    if not request.strassen:
        pipeline = without_strassen(pipeline)
    pipeline = with_plans(pipeline, plans)
    if quantised:
        pipeline = with_quantisation(pipeline)
    if request.stop_after is None:
        return pipeline
    return stop_after(pipeline, request.stop_after, LATER_STAGES)


def _pipeline_for(goal: str, level: int | None) -> Pipeline:
    chosen = DEFAULT_LEVEL if level is None else level
    levels = next((levels for name, levels in GOALS.items() if name == goal), None)
    if levels is None:
        listed = " or ".join(f"'{name}'" for name in GOALS)
        raise error("E0106", f"optimize is {listed}, found {goal!r}", helps=nearest(goal, GOALS))
    if chosen not in levels:
        known = ", ".join(f"-O{known}" for known in levels)
        raise error("E0106", f"--optimize={goal} goes with {known}, not with -O{chosen}")
    return levels[chosen]


def _fusing(pipeline: Pipeline, request: Request) -> Pipeline:
    """Return the pipeline with its passes that make one kernel of several in the mode asked for."""
    mode = next((mode for mode in FUSE_MODES if mode == request.fuse), None)
    if request.fuse is None:
        return pipeline
    if mode is None:
        helps = nearest(request.fuse, FUSE_MODES)
        listed = " or ".join(f"'{known}'" for known in FUSE_MODES)
        raise error("E0106", f"fuse is {listed}, found {request.fuse!r}", helps=helps)
    if request.optimize == "memory":
        raise error("E0106", f"--optimize=memory and --fuse={mode} exclude each other")
    if with_fuse_mode(pipeline, "always") == pipeline:
        raise error("E0106", f"--fuse={mode} goes with -O2 and -O3, not with -O{request.level}")
    return with_fuse_mode(pipeline, mode)


def named_passes(specs: str) -> tuple[Pass, ...]:
    """Return the passes of a `-p` or `--passes` list."""
    return parse_passes(specs, PASSES)


def run_passes(
    graph: Graph,
    pipeline: Pipeline,
    context: PassContext,
    inspection: Inspection,
    write: Write,
    more: Sequence[Instrument] = (),
) -> list[PassRecord]:
    """Run a pipeline over a graph, in place."""
    with instruments(inspection, write) as chosen:
        records = run_pipeline(graph, pipeline, context, (*chosen, *more))
    for line in summaries(inspection, records):
        write(line)
    return records
