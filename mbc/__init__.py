"""mbc: a compiler that makes small CNNs run fast on small boards."""

from __future__ import annotations

__version__ = "0.1.0"
