"""Load a network from a user's Python file. The file is a program, and it is run."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import CodeType, ModuleType

from mbc.diag import Location, MbcError, error, nearest
from mbc.frontends.dsl.define import NetworkDef
from mbc.frontends.dsl.explain import explain, syntax_error


def load_network(path: Path, network: str | None = None) -> NetworkDef:
    """Return the network of a file, or the one called `network` if it has several.

    Raises E0210 (none there), E0211 (several), E0212 (no such name), E0213 (not Python), E0214
    (the file raised), E0215 (a signature), E0701 (the file cannot be read).
    """
    linecache.checkcache(str(path))
    code = _compile(path)
    module = ModuleType(f"_mbc_file_{path.stem}")
    module.__file__ = str(path)
    with _importable(path.resolve().parent, module):
        try:
            exec(code, module.__dict__)
        except MbcError:
            raise
        except (Exception, SystemExit) as problem:
            diagnosis = explain(problem, str(path))
            if diagnosis is None:
                raise
            raise diagnosis from problem
    return _choose(path, module, network)


def _compile(path: Path) -> CodeType:
    try:
        return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except OSError as problem:
        beside = path.parent.is_dir() and not path.exists()
        siblings = [p.name for p in path.parent.glob("*.py")] if beside else []
        why = problem.strerror or "unknown reason"
        raise error(
            "E0701", f"cannot read {path}: {why}", helps=nearest(path.name, siblings)
        ) from None
    except SyntaxError as problem:
        if problem.lineno:
            raise syntax_error(problem) from None
        raise _not_python(path, problem.msg) from None  # a null byte
    except (ValueError, RecursionError, MemoryError) as problem:  # a nesting of hundreds
        raise _not_python(path, str(problem) or "it is nested too deeply") from None


def _not_python(path: Path, reason: str) -> MbcError:
    at = Location(str(path), 1)
    return error("E0213", "this is not valid Python", at=at, label=reason, source="")


@contextmanager
def _importable(folder: Path, module: ModuleType) -> Iterator[None]:
    """Let the file import modules of its own folder, and remove them from `sys.modules` afterwards.

    So modules of the same name in two folders never shadow each other.
    """
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        if str(folder) in sys.path:  # unless the file has removed it itself
            sys.path.remove(str(folder))
        neighbours = {n for n in set(sys.modules) - before if _comes_from(sys.modules[n], folder)}
        for name in set(sys.modules) - before:
            if name == module.__name__ or name.partition(".")[0] in neighbours:
                del sys.modules[name]


def _comes_from(module: ModuleType, folder: Path) -> bool:
    """Whether a top-level module or package lies directly in the folder."""
    name = module.__name__
    homes = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
    ours = (folder / f"{name}.py", folder / name / "__init__.py", folder / name)
    return any(home is not None and Path(home) in ours for home in homes)


def _choose(path: Path, module: ModuleType, name: str | None) -> NetworkDef:
    found = {n.name: n for n in vars(module).values() if isinstance(n, NetworkDef)}
    own = {n.name: n for n in found.values() if n.function.__module__ == module.__name__}
    if not found:
        raise error(
            "E0210",
            f"there is no network in {path}",
            helps=["decorate a function with @network from mbc.frontends.dsl"],
        )
    candidates = list((own or found).values())
    if name is not None:
        if name not in found:
            known = f"the file has {', '.join(found)}"
            raise error(
                "E0212", f"{path} has no network '{name}'", helps=[*nearest(name, found), known]
            )
        return replace(found[name], alone=candidates == [found[name]])
    if len(candidates) > 1:
        names = ", ".join(c.name for c in candidates)
        raise error(
            "E0211",
            f"{path} has {len(candidates)} networks: {names}",
            at=candidates[1].location,
            label=f"the first is at {candidates[0].location}",
            helps=[f"choose one, as with --network {candidates[0].name}"],
        )
    return candidates[0]
