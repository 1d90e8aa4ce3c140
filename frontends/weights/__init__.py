"""Bind data to the constants of a graph: from a file, or drawn from a seed."""

from typing import TYPE_CHECKING, Any

from mbc.frontends.weights.seeded import initialise

if TYPE_CHECKING:
    from mbc.frontends.weights.files import bind, check_values, load_weights, save_weights

__all__ = ["bind", "check_values", "initialise", "load_weights", "save_weights"]


def __getattr__(name: str) -> Any:
    """Import what reads files when it is first asked for, which takes time."""
    if name in __all__:
        from mbc.frontends.weights import files

        return getattr(files, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
