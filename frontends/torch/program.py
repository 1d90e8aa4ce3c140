"""From an exported program to a model in the form that the rules take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import getitem
from typing import Any

import numpy as np

from mbc.diag import error
from mbc.frontends.lowering.model import Model, Node, Refusal, Shape, live
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.torch.aten import rule_of
from mbc.frontends.torch.folding import folded
from mbc.frontends.torch.origins import origin_of
from mbc.frontends.torch.site import Draft, Site

HINT = "`mbc ops --torch` lists what is supported; write the module without this op"

Named = str | tuple[str, ...]


def model_of(torch: Any, program: Any) -> Model:
    """Return the model of a program that is decomposed and changes nothing.

    Raises E0802 for inputs that are no floats, E0804 for shapes that are not static.
    """
    translation = Translation(torch, program)
    for node in program.graph.nodes:
        translation.take(node)
    return translation.model()


class Translation:
    """A walk over the nodes of a program."""

    def __init__(self, torch: Any, program: Any) -> None:
        self.torch, self.program = torch, program
        self.draft = Draft()
        self.names: dict[Any, Named] = {}
        self.tensors: dict[Any, Any] = {}
        signature = program.graph_signature
        self.specs = {spec.arg.name: spec for spec in signature.input_specs}
        self.inputs = [node for node in self._placeholders() if self._is_input(node)]
        for node in self.inputs:
            self.names[node] = self.draft.fresh(node.name)
        self.outputs = self._final()
        self.keys = [key and self.draft.fresh(key) for key in _keys(program, len(self.outputs))]

    def _placeholders(self) -> list[Any]:
        return [node for node in self.program.graph.nodes if node.op == "placeholder"]

    def _is_input(self, node: Any) -> bool:
        kind = self.specs[node.name].kind.name
        return bool(kind == "USER_INPUT" and node.users)

    def _final(self) -> list[Any]:
        """Return the nodes whose values the module returns."""
        (node,) = (node for node in self.program.graph.nodes if node.op == "output")
        return [each for each in _leaves(node.args[0]) if isinstance(each, self.torch.fx.Node)]

    def take(self, node: Any) -> None:
        """Translate one node."""
        if node.op == "placeholder":
            self._take_placeholder(node)
        elif node.op == "call_function" and not self._take_part(node):
            self._take_call(node)

    # inputs and constants

    def _take_placeholder(self, node: Any) -> None:
        spec = self.specs[node.name]
        if node in self.names:
            self._check_input(node)
        elif spec.kind.name != "USER_INPUT":
            self._keep(node, spec.target, self._data(spec))

    def _check_input(self, node: Any) -> None:
        value = node.meta.get("val")
        if not isinstance(value, self.torch.Tensor):
            kind = type(value).__name__
            raise error("E0802", f"input '{node.name}' is of type {kind}; mbc takes tensors")
        if not value.dtype.is_floating_point:
            raise error("E0802", f"input '{node.name}' is {_plain(value.dtype)}; mbc takes float32")
        self.draft.shapes[str(self.names[node])] = _static(node.name, value)

    def _data(self, spec: Any) -> Any:
        """Return the tensor of a parameter, buffer or constant."""
        program = self.program
        found = program.state_dict.get(spec.target)
        return program.constants.get(spec.target) if found is None else found

    def _keep(self, node: Any, name: str, tensor: Any) -> None:
        """Store a constant."""
        if not isinstance(tensor, self.torch.Tensor):
            return
        unique = self.draft.fresh(name)
        self.names[node], self.tensors[node] = unique, tensor.detach()
        self.draft.constants[unique] = _array(self.torch, tensor)

    # calls

    def _take_part(self, node: Any) -> bool:
        """Name one of several results, if that is what the node is."""
        if node.target is not getitem:
            return False
        whole, place = node.args
        known = self.tensors.get(whole)
        if known is not None:
            self._keep(node, node.name, known[place])
        else:
            self.names[node] = self.names[whole][place]
        return True

    def _take_call(self, node: Any) -> None:
        values = _values(node)
        if not values and not node.users:
            return  # an assertion
        constant = folded(self.torch, node, self.tensors)
        if constant is not None:
            self._keep_folded(node, constant)
            return
        results = self._results(node, values)
        op, overload = _op_of(node)
        try:
            rule = rule_of(op, overload)
            if rule is None:
                raise Unsupported("", HELPS.get(op, ""))
            made = rule(self._site(node, op, results))
        except Unsupported as problem:
            self._refuse(node, op, results, problem)
            made = results
        made = made if isinstance(made, tuple) else (made, *results[1:])
        self.names[node] = made if isinstance(node.meta.get("val"), list | tuple) else made[0]

    def _keep_folded(self, node: Any, constant: Any) -> None:
        if isinstance(constant, list | tuple):
            self.tensors[node] = constant
        else:
            self._keep(node, node.name, constant)

    def _results(self, node: Any, values: Sequence[Any]) -> tuple[str, ...]:
        """Name the results: the first as the node, and where there are several by number."""
        many = isinstance(node.meta.get("val"), list | tuple) and len(values) > 1
        names = []
        for number, value in enumerate(values):
            name = self.draft.fresh(f"{node.name}.{number}" if many and number else node.name)
            self.draft.shapes[name] = _static(node.name, value)
            names.append(name)
        return tuple(names)

    def _site(self, node: Any, op: str, results: tuple[str, ...]) -> Site:
        arguments = dict(_arguments(node))
        named = {role: self._named(given) for role, given in arguments.items()}
        used = _used(node, len(results))
        return Site(self.draft, f"aten.{op}", named, results, used, origin_of(node.meta))

    def _named(self, given: Any) -> Any:
        """Return an argument with the names of tensors in place of the nodes that make them."""
        if isinstance(given, list | tuple):
            return [self._named(each) for each in given]
        if isinstance(given, self.torch.fx.Node):
            return self.names.get(given, "")
        if isinstance(given, self.torch.SymInt):
            raise Unsupported("it computes with shapes that are not static")
        return given

    def _refuse(self, node: Any, op: str, results: tuple[str, ...], problem: Unsupported) -> None:
        """Add a node that tells why it cannot be read."""
        inputs = tuple(_flat(self.names.get(each) for each in node.all_input_nodes))
        origin, spelled = origin_of(node.meta), _spelled(node, op)
        refusal = Refusal(problem.reason, problem.help)
        self.draft.nodes.append(
            Node(spelled, node.name, inputs, results, {}, *origin, spelled, refusal)
        )

    # the whole

    def model(self) -> Model:
        """Return the model of all that has been taken."""
        draft, outputs = self.draft, self._outputs()
        inputs = tuple(str(self.names[node]) for node in self.inputs)
        nodes = live(draft.nodes, outputs)
        return Model(nodes, draft.constants, draft.shapes, inputs, outputs, HINT)

    def _outputs(self) -> tuple[str, ...]:
        """Return the outputs, under the keys that the module gives them, if any."""
        names = [str(self.names[value]) for value in self.outputs]
        for name, key in zip(names, self.keys, strict=True):
            if key:
                self.draft.nodes.append(Node("Identity", key, (name,), (key,)))
                self.draft.shapes[key] = self.draft.shape_of(name)
        return tuple(key or name for name, key in zip(names, self.keys, strict=True))


HELPS = {
    "cond": "write the module without control flow that depends on data",
    "while_loop": "write the module without control flow that depends on data",
    "nms": "export the network without its post-processing",
}
"""What to do about some ops."""


def _values(node: Any) -> list[Any]:
    """Return the results of a node as torch.export describes them."""
    return [value for value in _leaves(node.meta.get("val")) if hasattr(value, "shape")]


def _leaves(given: Any) -> Iterator[Any]:
    if isinstance(given, list | tuple):
        for each in given:
            yield from _leaves(each)
    elif isinstance(given, Mapping):
        yield from _leaves(list(given.values()))
    else:
        yield given


def _flat(names: Iterator[Named | None]) -> Iterator[str]:
    for name in names:
        yield from (name,) if isinstance(name, str) else name or ()


def _op_of(node: Any) -> tuple[str, str]:
    """Return the op of a call and its overload; with its namespace if that is not aten."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return getattr(node.target, "__name__", str(node.target)), ""
    space, _, name = schema.name.partition("::")
    return name if space == "aten" else f"{space}.{name}", schema.overload_name or "default"


def _spelled(node: Any, op: str) -> str:
    schema = getattr(node.target, "_schema", None)
    return f"aten.{op}" if schema is not None and "." not in op else op


def _arguments(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield all arguments of a call by name, defaults included."""
    given = list(node.args)
    for place, argument in enumerate(node.target._schema.arguments):
        if place < len(given):
            yield argument.name, given[place]
        elif argument.name in node.kwargs or argument.has_default_value():
            yield argument.name, node.kwargs.get(argument.name, argument.default_value)


def _used(node: Any, results: int) -> tuple[bool, ...]:
    places = {user.args[1] for user in node.users if user.target is getitem}
    return tuple(place in places for place in range(results))


def _static(name: str, value: Any) -> Shape:
    """Return the shape of a tensor. Raises E0804 unless it is static."""
    extents = tuple(value.shape)
    if not all(type(extent) is int for extent in extents):
        listed = ",".join(map(str, extents))
        helps = ["export the module without dynamic_shapes"]
        raise error("E0804", f"'{name}' has no static shape: [{listed}]", helps=helps)
    return extents


def _array(torch: Any, tensor: Any) -> np.ndarray:
    """Return the data of a constant, numbers of other widths as float32."""
    dense = tensor.detach().cpu().contiguous()
    if dense.dtype.is_floating_point:
        dense = dense.to(torch.float32)
    array: np.ndarray = dense.numpy()
    return array


def _plain(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _keys(program: Any, count: int) -> list[str]:
    """Return the keys of a module's results, where it returns a dictionary of tensors."""
    context = getattr(program.call_spec.out_spec, "context", None)
    keys = context if isinstance(context, list | tuple) else []
    words = [key for key in keys if isinstance(key, str)]
    return words if len(words) == count else [""] * count
