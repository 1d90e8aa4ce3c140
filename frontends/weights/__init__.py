"""Bind data to the constants of a graph: from a file, or drawn from a seed."""

from mbc.frontends.weights.files import bind, check_values, load_weights, save_weights
from mbc.frontends.weights.seeded import initialise

__all__ = ["bind", "check_values", "initialise", "load_weights", "save_weights"]
