"""The tables of the papers that pages of `examples/` are written from, beside what mbc counts."""

PAPERS = ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1", "shufflenet_v2")
"""Their names: those of the pages."""
