"""Passes, pipelines and their instruments."""
