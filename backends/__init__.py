"""Backends: each turns a planned graph into code for a target."""
