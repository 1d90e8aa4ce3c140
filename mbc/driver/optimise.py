"""`mbc opt`: IR text in, passes, IR text out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mbc.diag import error
from mbc.driver.configuration import backend_from, resolve_request
from mbc.driver.formats import KINDS, LISTED
from mbc.driver.instrumentation import Inspection
from mbc.driver.output import write_bytes
from mbc.driver.pipeline import named_passes, run_passes
from mbc.driver.request import Request
from mbc.driver.source import Source, read_network
from mbc.frontends.options import AS_IT_IS, ModelOptions
from mbc.int8.file import Measured, Origin, network_digest, read_quantisation, weights_digest
from mbc.ir.graph import Graph
from mbc.ir.text.module import content_hash, load_module, write_dump
from mbc.ir.text.printer import print_graph
from mbc.ir.verify import verify
from mbc.passmgr.passes import PassContext
from mbc.passmgr.pipeline import single_stage


def optimise(
    file: Path,
    passes: str,
    target: tuple[str | None, str | None, str | None],
    inspection: Inspection,
    write: Callable[[str], None],
    model: ModelOptions = AS_IT_IS,
    quantize: Path | None = None,
) -> Graph:
    """Return the graph of IR text or a model after the named passes. `target` is name, CPU and
    features where the user overrides what the file's header says; `quantize` has the ranges for
    the pass `quantise`; a quantised model states its own."""
    if file.suffix not in KINDS:
        raise error(
            "E0102",
            f"{file} is neither IR text (.mbc) nor a model ({LISTED})",
            helps=["mbc compile FILE.py --dump-ir=ir/ writes IR text"],
        )
    found = None if quantize is None else read_quantisation(quantize).quantisation
    if file.suffix != ".mbc" or any(model.given()):
        network = read_network(Request(file, model=model), write)
        graph, found = network.graph, found or network.quantisation
    else:
        graph = load_module(file)
    verify(graph)
    name, mcpu, mattr = target
    if name or mcpu or mattr:
        name = name or graph.meta.get("target")
        chosen = resolve_request(Request(file, target=name, mcpu=mcpu, mattr=mattr))
        graph.meta = _without_target(graph.meta) | chosen.header
    pipeline = single_stage(named_passes(passes))
    context = PassContext(backend_from(graph.meta), found)
    run_passes(graph, pipeline, context, inspection, write)
    return graph


TARGET_KEYS = ("target", "mcpu", "mattr", "backend", "gpu")


def _without_target(meta: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in meta.items() if key not in TARGET_KEYS}


def text_of(graph: Graph) -> str:
    """Return the graph as dumps hold it, with the hashes of the constants that have data."""
    bound = (c for c in graph.constants().values() if c.data is not None)
    return print_graph(graph, hashes={constant.name: content_hash(constant) for constant in bound})


def save(graph: Graph, path: Path) -> None:
    """Write the text, and the constants beside it."""
    write_dump(graph, path.parent, path.name)


def save_stated(source: Source, path: Path) -> Path | None:
    """Write what a quantised model states beside its text, for `--quantize`; returns the file."""
    if source.quantisation is None:
        return None
    graph, file = source.graph, path.with_suffix(".q")
    origin = Origin(source.network, network_digest(graph), weights_digest(graph))
    write_bytes(file, Measured(source.quantisation, origin).text({}).encode("utf-8"))
    return file
