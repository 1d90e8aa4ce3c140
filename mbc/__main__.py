"""`python -m mbc`."""

from __future__ import annotations

import sys

from mbc.cli import main

if __name__ == "__main__":
    sys.exit(main())
