"""Sweeps over parameters of a network and targets: their points, rows, front and picture."""
