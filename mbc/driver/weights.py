"""`mbc weights map`: bring the tensors of a file into the names and orders of a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mbc.driver.request import Request
from mbc.driver.source import preset_of, read_graph, refuse_huge
from mbc.frontends.weights import bind, save_weights
from mbc.frontends.weights.mapping import Match, Matching, match
from mbc.frontends.weights.orders import Order
from mbc.frontends.weights.presets import ORDER
from mbc.frontends.weights.rules import read_rules, rename
from mbc.frontends.weights.stored import stored_tensors
from mbc.ir.graph import Graph
from mbc.ir.verify import verify
from mbc.records import dataclass


@dataclass(frozen=True)
class Mapping:
    """A file's tensors, matched with a network's parameters."""

    graph: Graph
    """The network; its constants have the data."""
    matches: Sequence[Match]
    """In the order of the parameters."""
    remarks: tuple[str, ...]
    """What was left out, chosen or renamed."""


@dataclass(frozen=True)
class MapRequest:
    """What to map, and how; where the other request has a library to take names from, rules and
    order are the library's."""

    file: Path
    """The file of tensors; the network is that of the other request."""
    rules: Path | None = None
    """Rules that rename tensors."""
    order: Order | None = None
    """The order of axes in the file."""
    key: str | None = None
    """Which state dict."""


def map_weights(network: Request, what: MapRequest) -> Mapping:
    """Match all tensors with all parameters, and bind them.

    Raises what `read_graph`, `stored_tensors`, `read_rules`, `match` and `bind` raise.
    """
    listing = stored_tensors(what.file, what.key)
    rules = [] if what.rules is None else read_rules(what.rules)
    graph = read_graph(network)
    verify(graph)
    refuse_huge(graph)
    preset, order = preset_of(graph, network), what.order
    if preset is not None:
        rules, order = preset.rules(), ORDER
    renamed = rename(listing.tensors, rules)
    how = Matching(what.file, lambda name: renamed.names[name], order, whole=True)
    matches = match(graph, listing, how)
    bind(graph, matches, what.file)
    remarks = renamed.remarks if preset is None else ()  # it serves several variants
    return Mapping(graph, matches, (*listing.remarks, *remarks))


def write_mapping(mapping: Mapping, path: Path) -> None:
    """Write the network's parameters as .safetensors; raises E0703."""
    save_weights(mapping.graph, path)
