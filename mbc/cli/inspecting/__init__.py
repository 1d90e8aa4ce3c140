"""The views of `mbc inspect`: each yields lines, which `page.py` shows."""
