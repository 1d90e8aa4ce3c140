"""`@network`: a Python function becomes a definition that can be traced into a graph."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from mbc.diag import Location, MbcError, error
from mbc.frontends.dsl.builder import IDENTIFIER, Tensor
from mbc.frontends.dsl.explain import explain
from mbc.frontends.dsl.location import definition, here
from mbc.frontends.dsl.mistakes import describe
from mbc.frontends.dsl.net import Net
from mbc.frontends.dsl.numbers import as_integer
from mbc.frontends.dsl.params import Parameter, ParameterValue, read_signature, resolve, show
from mbc.ir.graph import Graph
from mbc.records import dataclass

Outputs: TypeAlias = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


@dataclass(frozen=True)
class NetworkDef:
    """A network, defined by a decorated Python function."""

    name: str
    """Name of the function."""
    function: Callable[..., Outputs]
    """Builds the layers when it is called with a Net and the parameters."""
    parameters: tuple[Parameter, ...]
    """Typed parameters, in order of declaration."""
    location: Location
    """The `def` line."""
    alone: bool = True
    """Whether its file selects it when no network is named."""

    def resolve(self, params: Mapping[str, object] | None = None) -> dict[str, ParameterValue]:
        """Return every parameter's value, given as text or typed; raises E0110 to E0112."""
        return resolve(self.name, self.parameters, params or {})

    def trace(self, params: Mapping[str, object] | None = None, batch: int = 1) -> Graph:
        """Run the function and return the graph of its layers, with constants but without data.

        `graph.meta` holds network, parameters (as `-D` takes them) and batch. Raises E0110 to
        E0113 for parameters and batch, E02xx for what the function does.
        """
        values = self.resolve(params)
        images = as_integer(batch)
        if images is None or images < 1:
            raise error("E0113", f"batch must be an integer of at least 1, found {batch!r}")
        graph = Graph(self.name, self._meta(values, images))
        nn = Net(graph, images)
        try:
            returned = self.function(nn, **values)
        except MbcError:
            raise
        except (Exception, SystemExit) as problem:
            diagnosis = explain(problem, self.location.file)
            if diagnosis is None:
                raise
            raise diagnosis from problem
        outputs = _outputs(returned, nn, self)
        graph.set_outputs([tensor.value for tensor in outputs.values()], outputs)
        return graph

    def _meta(self, values: Mapping[str, ParameterValue], batch: int) -> dict[str, str]:
        parameters = shlex.join(f"{name}={show(value)}" for name, value in values.items())
        return {"network": self.name, "parameters": parameters, "batch": str(batch)}


def network(function: Callable[..., Outputs]) -> NetworkDef:
    """Decorate a function `def name(nn: Net, *, parameter: type = default, …)` that returns a
    tensor, several, or a dict of them by name.

    Raises E0215 for any other signature, and for anything but a function.
    """
    if not inspect.isfunction(function):
        raise error("E0215", f"@network takes a function, found {describe(function)}", at=here())
    at = definition(function.__code__)
    if not IDENTIFIER.fullmatch(function.__name__):
        message = f"'{function.__name__}' cannot name a network: it becomes a name in C"
        raise error("E0215", message, at=at)
    return NetworkDef(function.__name__, function, read_signature(function, at), at)


def _outputs(returned: object, nn: Net, network: NetworkDef) -> dict[str, Tensor]:
    match returned:
        case Tensor():
            named: Mapping[str, object] = {"output": returned}
        case Mapping():
            named = returned
        case tuple() | list():
            named = {f"output{i}": tensor for i, tensor in enumerate(returned)}
        case _:
            raise _bad_result(network, f"it returned {describe(returned)}")
    if not named:
        raise _bad_result(network, "it returned nothing")
    return {_output_name(name, network): _tensor(named[name], nn, network) for name in named}


def _tensor(returned: object, nn: Net, network: NetworkDef) -> Tensor:
    if not isinstance(returned, Tensor):
        raise _bad_result(network, f"it returned {describe(returned)} among its outputs")
    if returned.builder is not nn:
        raise _bad_result(network, "it returned a tensor of another network")
    return returned


def _output_name(name: object, network: NetworkDef) -> str:
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name):
        raise _bad_result(network, f"{name!r} cannot name an output: it becomes a name in C")
    return name


def _bad_result(network: NetworkDef, label: str) -> MbcError:
    return error(
        "E0216",
        f"network '{network.name}' must return a tensor, a tuple of tensors, or a dict of them",
        at=network.location,
        label=label,
    )
