"""Targets, CPU models and the seam between passes and backends."""
