"""`mbc quantize`: measure the ranges of a network, and what computing on codes costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mbc.diag import error, nearest
from mbc.driver.accounts import Account, account
from mbc.driver.calibration import calibrate, prepared
from mbc.driver.corrections import corrected
from mbc.driver.output import write_bytes
from mbc.driver.request import Observer, Request, Silent
from mbc.driver.samples import Samples, at_random, of_file, of_folder
from mbc.driver.source import Source, load
from mbc.int8.file import METHODS, Measured, Origin, network_digest, weights_digest
from mbc.int8.quantisation import WEIGHT_BITS, Quantisation
from mbc.ir.elements import Q8
from mbc.ir.graph import Graph
from mbc.passes.quantising.rewrite import quantised as is_quantised
from mbc.passes.quantising.rewrite import rewrite
from mbc.passes.quantising.scales import scales_of, stored_codes
from mbc.passmgr.passes import PassResult
from mbc.records import dataclass
from mbc.runtime.abi import interface_of
from mbc.runtime.preprocessing import PRESETS, Preprocessing, parse

TICKS = 10
"""How often the progress of a walk over the samples is told."""


@dataclass(frozen=True)
class Wanted:
    """What a network is measured on, and how, under the names of the options."""

    images: Path | None = None
    inputs: Path | None = None
    random: bool = False
    samples: int | None = None
    """How many are taken at most; None: as many as are usual."""
    method: str = "minmax"
    bias_correction: bool = False
    keep_float: tuple[str, ...] = ()
    weight_bits: int = 8
    preprocessing: Preprocessing = PRESETS["plain"]


@dataclass(frozen=True)
class Outcome:
    """A quantisation, and what it costs."""

    measured: Measured
    elements: dict[str, Q8]
    """The elements of all that is stored as codes."""
    account: Account

    @property
    def text(self) -> str:
        """The file."""
        return self.measured.text(self.elements)


def measure(request: Request, wanted: Wanted, observer: Observer) -> Outcome:
    """Measure a network. Raises what `load` raises, E0106, E0551 to E0558."""
    _check(wanted)
    source = load(request, observer)
    graph = source.graph
    _refuse_codes(source)
    samples = _samples(graph, wanted, observer)
    real, count = prepared(graph), len(samples.inputs)
    _check_names(real, wanted.keep_float)
    found = calibrate(
        real,
        samples.inputs,
        method=wanted.method,
        keep_float=frozenset(wanted.keep_float),
        weight_bits=wanted.weight_bits,
        on_sample=_ticker(observer, "measuring", count * (2 if wanted.method == "mse" else 1)),
    )
    if wanted.bias_correction:
        tick = _ticker(observer, "correcting biases", count)
        found = corrected(real, _on_codes(real, found), found, samples.inputs, tick)
    tick = _ticker(observer, "comparing", count)
    costs = account(real, _on_codes(real, found), samples.inputs, samples.labels, tick)
    origin = Origin(
        source.network,
        network_digest(graph),
        weights_digest(graph),
        wanted.method,
        count,
        samples.source,
        samples.preprocessing,
    )
    scales = scales_of(real, stored_codes(real, found.keep_float), found)
    return Outcome(Measured(found, origin), dict(scales.elements), costs)


def write_measured(request: Request, wanted: Wanted, preprocess: str, output: Path) -> Account:
    """Measure a network and write the file, in silence; E0106 for an unknown preprocessing."""
    try:
        how = parse(preprocess)
    except ValueError as problem:
        raise error("E0106", f"preprocess {problem}") from None
    outcome = measure(request, replace(wanted, preprocessing=how), Silent())
    write_bytes(output, outcome.text.encode("utf-8"))
    return outcome.account


def _check(wanted: Wanted) -> None:
    sources = (wanted.images, wanted.inputs, wanted.random or None)
    if sum(source is not None for source in sources) != 1:
        raise error(
            "E0557",
            "mbc quantize measures a network on samples of one kind",
            helps=["--images DIR, --inputs FILE.npz, or --random for numbers that mean nothing"],
        )
    if wanted.method not in METHODS:
        helps = nearest(wanted.method, METHODS)
        listed = " or ".join(METHODS)
        raise error("E0106", f"method is {listed}, found {wanted.method!r}", helps=helps)
    if wanted.weight_bits not in WEIGHT_BITS:
        listed = " or ".join(map(str, WEIGHT_BITS))
        raise error("E0106", f"weight bits are {listed}, found {wanted.weight_bits!r}")


def _refuse_codes(source: Source) -> None:
    graph = source.graph
    if source.quantisation is not None:
        helps = ["--float takes it in float32"]
        raise error(
            "E0558", f"{source.net} is quantised already: nothing is to measure", helps=helps
        )
    if (node := next(is_quantised(graph), None)) is not None:
        raise error("E0558", f"{node.results[0].name} is on codes already: nothing is to measure")


def _samples(graph: Graph, wanted: Wanted, observer: Observer) -> Samples:
    specs = interface_of(graph)[0]
    if wanted.images is not None:
        observer.step("reading photos")
        return of_folder(wanted.images, specs, wanted.preprocessing, wanted.samples)
    if wanted.inputs is not None:
        return of_file(wanted.inputs, specs, wanted.samples)
    return at_random(specs, wanted.samples)


def _check_names(real: Graph, names: tuple[str, ...]) -> None:
    """Raise E0557 for a layer to keep that there is not."""
    known = {name for node in real.topo() for v in node.results for name in (v.name, *v.origins)}
    for name in names:
        if name not in known:
            helps = nearest(name, sorted(known))
            raise error("E0557", f"there is no layer {name} to keep in float", helps=helps)


def _on_codes(real: Graph, found: Quantisation) -> Graph:
    copy = real.clone()
    rewrite(copy, found, PassResult())
    return copy


def _ticker(observer: Observer, doing: str, count: int) -> Callable[[], None]:
    """Return what to call after each sample."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if done * TICKS // count != (done - 1) * TICKS // count:
            observer.step(f"{doing}: {done} of {count} samples")

    return tick
