"""Programs of torch.export: traced from modules, loaded from files, decomposed, and checked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mbc.diag import error

EVAL = "call model.eval() before it is exported"
RESAVE = "save it anew: torch.export.save(torch.export.export(model.eval(), (x,)), 'net.pt2')"


def exported(torch: Any, module: Any, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Trace a module; return a program as it is.

    Raises E0809 for what is neither, and for a module that torch.export does not take.
    """
    if isinstance(module, torch.export.ExportedProgram):
        return module
    if isinstance(module, torch.jit.ScriptModule):
        helps = ["take the module that torch.jit was given; its Python code is what is exported"]
        raise error("E0809", "a TorchScript module has no Python code to export", helps=helps)
    if not isinstance(module, torch.nn.Module):
        kind = type(module).__name__
        raise error("E0809", f"mbc.from_torch takes a module of PyTorch, not an object of {kind}")
    with _quiet():
        try:
            return torch.export.export(module, tuple(inputs), dict(kwargs))
        except Exception as problem:
            raise _refused(problem) from problem


def first_line(problem: Exception) -> str:
    """Return the first line of what an exception says, or its name."""
    return (str(problem).strip() or type(problem).__name__).splitlines()[0]


def _refused(problem: Exception) -> Exception:
    helps = ["torch.export.export(module, example_inputs) tells more"]
    message = "torch.export does not take the module"
    return error("E0809", message, label=first_line(problem), helps=helps)


def loaded(torch: Any, path: Path) -> Any:
    """Load a program from a file that `check_archive` lets through; E0801 if PyTorch does not."""
    with _quiet():
        try:
            return torch.export.load(str(path))
        except Exception as problem:  # noqa: BLE001  whatever damaged files lead to
            first = first_line(problem)
            message = f"PyTorch {torch.__version__} does not load {path}"
            raise error("E0801", message, label=first, helps=[RESAVE]) from None


def decomposed(torch: Any, program: Any) -> Any:
    """Return a program without ops that work in place.

    Raises E0802 for a program that changes its buffers or inputs.
    """
    with _quiet():
        try:
            plain = program.run_decompositions({})
        except Exception as problem:
            raise _refused(problem) from problem
    signature = plain.graph_signature
    changed = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
    if changed:
        names = ", ".join(f"'{name}'" for name in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        message = f"the module changes {names}{more}, as in training mode"
        raise error("E0802", message, helps=[EVAL])
    return plain


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what PyTorch says of its own future."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
