"""Passes: one file each, named after the pass; every one maps a graph to an equal, better graph."""
