"""Kernels that compute with 8-bit codes (docs/int8.md)."""
