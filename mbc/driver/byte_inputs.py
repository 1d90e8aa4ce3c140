"""Inputs of bytes: which ones, and what a network makes of them (--input-dtype, --normalize)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mbc.diag import MbcError, error, nearest
from mbc.driver.request import Observer, Request
from mbc.driver.source import Source, load
from mbc.int8.file import read_quantisation
from mbc.ir.elements import F32, Q8
from mbc.ir.graph import Graph
from mbc.ir.views import Value
from mbc.passes.byte_inputs import Numbers, read_bytes, transposing
from mbc.passes.quantising.given import given_of
from mbc.records import dataclass
from mbc.runtime.abi import IoSpec, interface_of
from mbc.runtime.normalisation import AS_THEY_ARE, NORMALIZE, Normalisation
from mbc.runtime.preprocessing import parse, parse_normalisation

U8 = "u8"


@dataclass(frozen=True)
class Known:
    """What becomes of bytes, and who says so."""

    numbers: Normalisation
    why: str


def check_byte_options(request: Request) -> None:
    """Raise E0106 for options that say nothing, before the network is read."""
    if request.input_dtype is None:
        if request.normalize is not None:
            helps = ["the network normalises what it takes as bytes: --input-dtype u8"]
            raise error("E0106", "--normalize needs --input-dtype u8", helps=helps)
        return
    for word in _words(request.input_dtype):
        if word.rpartition("=")[2] != U8:
            helps = ["u8 for all inputs, NAME=u8 for one; without it they are float32"]
            raise error("E0106", f"--input-dtype takes u8 or NAME=u8, found '{word}'", helps=helps)
    _normalisation(request)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _normalisation(request: Request) -> Known | None:
    """Return what the command line says of bytes; None if it says nothing."""
    if request.normalize is not None:
        try:
            found = parse_normalisation(request.normalize)
        except ValueError as problem:
            raise error("E0106", f"--normalize {problem}") from None
        return Known(found, f"--normalize {request.normalize}")
    if request.preprocess is not None:
        return Known(request.preprocess.normalisation, "as --preprocess says")
    return None


def normalisation_of(request: Request) -> Known:
    """Return what becomes of bytes: what the command line says, or else what the photos were made
    into that the network was quantised by, or nothing. Raises E0106, E0555, E0701."""
    if (said := _normalisation(request)) is not None:
        return said
    if request.quantize is not None and (found := _measured(request.quantize)):
        return Known(found, f"as {request.quantize.name} was measured")
    return Known(AS_THEY_ARE, "no --normalize given")


def _measured(path: Path) -> Normalisation | None:
    """Return what the photos were made into that ranges were measured on, if they were photos."""
    text = read_quantisation(path).origin.preprocessing
    try:
        return parse(text).normalisation if text else None
    except (ValueError, KeyError, TypeError) as problem:
        message = f"{path} is no file of mbc quantize: its preprocessing {problem}"
        raise error("E0555", message, helps=["--normalize says what bytes become"]) from None


def load_for_callers(request: Request, observer: Observer) -> Source:
    """Load a network as it takes its inputs; raises what `load` raises, E0106, E0710."""
    check_byte_options(request)
    return with_byte_inputs(load(request, observer), request, observer)


def with_byte_inputs(source: Source, request: Request, observer: Observer) -> Source:
    """Return the network as it takes bytes, if it is to; notes say what it makes of them. Raises
    E0106 for inputs that cannot be bytes, E0710 for one that is not there."""
    if request.input_dtype is None:
        return source
    graph, known = source.graph.clone(), normalisation_of(request)
    for spec, value in _chosen(graph, _words(request.input_dtype)):
        _check(graph, spec, value)
        known.numbers.check(spec.image_shape[-1], f"input {spec.name}")
        stated = _stated(source, graph, value) if known.numbers == AS_THEY_ARE else None
        if stated is None:
            read_bytes(graph, value, Numbers.of(known.numbers.centres, known.numbers.factors))
            observer.note(f"{spec.name}: bytes, {_meaning(known.numbers)} ({known.why})")
        else:
            read_bytes(graph, value, Numbers.of((0,), (1,), stated))
            observer.note(f"{spec.name}: bytes, the codes of the model, {stated}")
    if known.numbers != AS_THEY_ARE:
        graph.meta[NORMALIZE] = str(known.numbers)
    return replace(source, graph=graph)


def _stated(source: Source, graph: Graph, value: Value) -> Q8 | None:
    """Return the element of an input in a model that is on codes itself."""
    if source.quantisation is None:
        return None
    moved = transposing(graph, value)
    read = value if moved is None else moved.result
    return given_of(graph, source.quantisation).elements.get(read)


def _meaning(numbers: Normalisation) -> str:
    return "0 to 255 as they are" if numbers == AS_THEY_ARE else numbers.formula


def _chosen(graph: Graph, words: Sequence[str]) -> list[tuple[IoSpec, Value]]:
    inputs = {value.name: value for value in graph.inputs}
    specs = {spec.name: spec for spec in interface_of(graph)[0]}
    names = list(inputs) if U8 in words else [word.rpartition("=")[0] for word in words]
    for name in names:
        if name not in inputs:
            helps = [*nearest(name, inputs), f"the inputs are {', '.join(inputs)}"]
            raise error("E0710", f"--input-dtype: there is no input '{name}'", helps=helps)
    return [(specs[name], inputs[name]) for name in dict.fromkeys(names)]


def _check(graph: Graph, spec: IoSpec, value: Value) -> None:
    """Raise E0106 for an input that is not of floats, or whose channels nobody puts last."""
    if value.type.element is not F32:
        message = f"--input-dtype u8 is for inputs of f32; {spec.name} is {value.type}"
        raise error("E0106", message)
    if spec.planar and transposing(graph, value) is None:
        raise _unreadable(spec)


def _unreadable(spec: IoSpec) -> MbcError:
    return error(
        "E0106",
        f"input {spec.name} cannot be bytes in NCHW: it is read otherwise than as an image",
        helps=["leave out --input-layout nchw"],
    )
