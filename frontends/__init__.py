"""Frontends: each turns one way of writing a network into an `mbc.ir` graph."""
