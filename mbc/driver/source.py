"""From a file to a graph with weights: the stage `import`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mbc.diag import error
from mbc.driver.formats import FORMATS, KINDS, LISTED, OPTIONS
from mbc.driver.request import Observer, Request, Silent
from mbc.frontends import weights as weights_of
from mbc.frontends.dsl import load_network
from mbc.frontends.lowered import Lowered
from mbc.frontends.weights.presets import Preset, find_preset
from mbc.int8.quantisation import Quantisation
from mbc.ir.graph import Graph
from mbc.ir.text.module import load_module
from mbc.ir.verify import verify
from mbc.records import dataclass
from mbc.report.costs import Totals
from mbc.runtime.names import net_identifier

MAX_WEIGHTS = 2**28  # a gigabyte

ELSEWHERE = {
    "IR text": "compile the network's .py file with other parameters instead",
    "imported networks": "import the module with other parameters",
    "ONNX models": "export the model with other parameters; --shape sets symbolic dimensions",
    "TensorFlow Lite models": "convert the model with other parameters",
    "PyTorch models": "export the module with other parameters",
}
"""Where the parameters of a graph are set that has none itself."""


@dataclass(frozen=True)
class Source:
    """A network as written."""

    net: str
    """Prefix of the artefacts' names."""
    graph: Graph
    totals: Totals
    weights: str
    """Origin of the data, in words."""
    quantisation: Quantisation | None = None
    """What the model states, if it is quantised itself."""

    @property
    def network(self) -> str:
        """The name of the network in its file."""
        return self.graph.meta.get("network", self.graph.name)

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the network's parameters, batch included."""
        return parameters_of(self.graph.meta)


def load(request: Request, observer: Observer) -> Source:
    """Read the file, trace the network, bind the weights. Raises E0102, E0103, E0109, and what
    frontends and the text's parser raise."""
    observer.step(f"reading {request.file.name}")
    check_name(request.name)
    network = read_network(request, observer.note)
    graph = network.graph
    net = graph.name
    verify(graph)
    refuse_huge(graph)
    weights = _bind(graph, request, observer)
    return Source(net, graph, Totals.of(graph), weights, network.quantisation)


def check_name(name: str | None) -> None:
    """Raise E0109 for a --name that cannot be a C identifier or the name of a file."""
    if name is None or net_identifier(name) == name:
        return
    helps = [f"call it {net_identifier(name)}, or anything else that no header is called"]
    raise error("E0109", f"'{name}' cannot name a network in C", helps=helps)


def early_name(request: Request) -> str | None:
    """Return NET, if it is known before the file is read."""
    if request.name is None and request.network is not None:
        return None
    return request.name or net_identifier(request.file.stem)


def read_graph(request: Request) -> Graph:
    """Read the graph of the file, as `read_network` does."""
    return read_network(request).graph


def read_network(request: Request, note: Callable[[str], None] | None = None) -> Lowered:
    """Read the network of the file, named NET; one from Python has no weights yet. NET is the
    file's stem, followed by the network's name if the file has several. `note` takes what the user
    should know of the import."""
    _refuse_model_options(request)
    if request.graph is not None:
        return Lowered(_imported(request, request.graph))
    stem = request.file.stem
    match request.file.suffix:
        case ".py":
            network = load_network(request.file, request.network)
            params = {**preset_settings(network.name, request), **request.params}
            graph = network.trace(params, 1 if request.batch is None else request.batch)
            graph.name = request.name or net_identifier(
                stem if network.alone else f"{stem}_{network.name}"
            )
            return Lowered(graph)
        case suffix if suffix in KINDS:
            found = _read_finished(request, note or Silent().note)
            found.graph.name = request.name or net_identifier(stem)
            return found
    _explain_missing(request.file)
    raise error(
        "E0102",
        f"{request.file} is neither a network (.py), a model ({LISTED}) nor IR text (.mbc)",
        helps=_instead(request.file),
    )


def _instead(path: Path) -> list[str]:
    """Return what to do about a file that holds no network."""
    if path.suffix not in (".pt", ".pth"):
        return ["mbc new mobilenet_v1.py makes a network to begin with"]
    export = "torch.export.save(torch.export.export(model.eval(), (x,)), 'net.pt2')"
    return [
        f"a module of PyTorch: {export}",
        f"its weights alone: mbc compile mobilenet_v2.py --weights {path.name}",
    ]


def _imported(request: Request, imported: Graph) -> Graph:
    """Return a copy of a graph that was imported before."""
    refuse_parameters(request, "imported networks")
    graph = imported.clone()
    graph.name = request.name or imported.name
    return graph


def _read_finished(request: Request, note: Callable[[str], None]) -> Lowered:
    """Read a network that has no parameters: IR text or a model."""
    refuse_parameters(request, KINDS[request.file.suffix])
    match request.file.suffix:
        case ".mbc":
            return Lowered(load_module(request.file))
        case ".tflite":
            from mbc.frontends.tflite import import_tflite  # takes time to import

            return import_tflite(request.file, request.model, note)
        case ".pt2":
            from mbc.frontends.torch import import_pt2  # takes time to import

            return Lowered(import_pt2(request.file, request.model.input_layout))
    from mbc.frontends.onnx.importer import import_onnx  # takes time to import

    return import_onnx(request.file, request.model, note)


def _refuse_model_options(request: Request) -> None:
    known = OPTIONS.get(request.file.suffix, set())
    for option in request.model.given():
        if option not in known:
            formats = [FORMATS[end] for end, options in OPTIONS.items() if option in options]
            what = " and ".join(filter(None, (", ".join(formats[:-1]), formats[-1])))
            raise error("E0103", f"{option} is for models in {what}; {request.file} is none")


def refuse_huge(graph: Graph) -> None:
    """Raise E0206 for more weights than any network for a board has, before allocating memory."""
    weights = sum(constant.type.elements for constant in graph.constants().values())
    if weights > MAX_WEIGHTS:
        raise error("E0206", f"the network has {weights:,} weights, mbc takes {MAX_WEIGHTS:,}")


def _explain_missing(path: Path) -> None:
    if not path.exists():
        raise error("E0701", f"cannot read {path}: there is no such file")


def refuse_parameters(request: Request, kind: str) -> None:
    """Raise E0103 for parameters of what has none."""
    given = {
        "-D": bool(request.params),
        "--batch": request.batch is not None,
        "--network": request.network is not None,
        "--weights-from": request.weights_from is not None,
    }
    for option, present in given.items():
        if present:
            raise error(
                "E0103",
                f"{option} does not apply to {kind}: {request.file} holds one finished graph",
                helps=[ELSEWHERE[kind]],
            )


def _bind(graph: Graph, request: Request, observer: Observer) -> str:
    if request.weights is not None:
        if request.seed is not None:
            raise error("E0106", "--weights and --seed exclude each other")
        observer.step(f"loading weights from {request.weights.name}")
        for remark in weights_of.load_weights(graph, request.weights, preset_of(graph, request)):
            observer.note(f"{request.weights.name}: {remark}")
        return f"from {request.weights.name}{_by_names(graph, request)}"
    if request.weights_from is not None:
        raise error("E0106", "--weights-from says whose names the tensors of --weights have")
    if all(constant.data is not None for constant in graph.constants().values()):
        weights_of.check_values(graph)
        text = "the constants of the text" if request.file.suffix == ".mbc" else "the model"
        return f"from {text}"
    observer.step("initialising the weights")
    seed = request.seed or 0
    weights_of.initialise(graph, seed)
    return f"initialised, seed {seed} (no --weights given)"


def preset_settings(network: str, request: Request) -> Mapping[str, str]:
    """Return the parameters that --weights-from sets, and -D does not; raises E0416."""
    if request.weights_from is None:
        return {}
    settings = find_preset(network, request.weights_from).settings
    return {name: value for name, value in settings.items() if name not in request.params}


def preset_of(graph: Graph, request: Request) -> Preset | None:
    """Return what --weights-from names."""
    if request.weights_from is None:
        return None
    return find_preset(graph.meta["network"], request.weights_from)


def _by_names(graph: Graph, request: Request) -> str:
    """Say what --weights-from did."""
    if request.weights_from is None:
        return ""
    settings = preset_settings(graph.meta["network"], request)
    text = "".join(f" -D {name}={value}" for name, value in settings.items())
    return f", as {request.weights_from} has it{':' if text else ''}{text}"


def parameters_of(meta: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters in a graph's header, as typed values, with the batch."""
    words = shlex.split(meta.get("parameters", ""))
    pairs = (word.partition("=") for word in words)
    batch = {"batch": int(meta["batch"])} if meta.get("batch", "").isdigit() else {}
    return {name: _typed(text) for name, _, text in pairs} | batch


def _typed(text: str) -> Any:
    """Convert the text of a number or boolean; keep any other text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
