"""Optional packages: imported when they are needed, named in an error when they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mbc.caches import lend_home
from mbc.diag import error


def optional_module(name: str, extra: str) -> Any:
    """Import a module of an optional package.

    Raises E0610, which names the extra of mbc that installs it, if the import fails; E0607 if the
    user has no home, and no temporary folder can be made instead.
    """
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
