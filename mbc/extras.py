"""Packages that mbc works without: imported where they are needed, named where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mbc.caches import lend_home
from mbc.diag import error


def optional_module(name: str, extra: str) -> Any:
    """An imported module; E0610 naming the extra of mbc that brings it where that fails, E0607
    where the user has no home, and nothing can be had in its place."""
    lend_home()
    try:
        return import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name != name.partition(".")[0]:
            raise _broken(name, problem, extra) from None
        helps = [f"pip install 'mbc[{extra}]'"]
        raise error("E0610", f"the Python package {name} is not installed", helps=helps) from None
    except (ImportError, OSError) as problem:
        raise _broken(name, problem, extra) from None


def _broken(name: str, problem: Exception, extra: str) -> Exception:
    helps = [f"pip install --force-reinstall 'mbc[{extra}]'"]
    return error("E0610", f"the Python package {name} does not load: {problem}", helps=helps)
