"""Files of PyTorch: what one holds is seen from its members, before PyTorch reads any of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mbc.diag import MbcError, error
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Problem, refuse
from mbc.frontends.lowering.traces import Origin
from mbc.frontends.torch.export import RESAVE, first_line
from mbc.frontends.torch.program import HINT

MAX_MEMBERS = 2**17
MAX_JSON = 2**28
"""Bytes of the description of a program."""

OWN = ("torch.ops.aten.", "torch.ops.higher_order.")
"""How the names of ops begin that PyTorch itself has."""
FORBIDDEN = ("torch.ops.aten.from_file.",)
"""Ops of PyTorch that read or write files."""
PICKLED = ("custom_obj_", "opaque_obj_")
"""Members of `data/constants` that are pickled objects."""

PICKLES = ".pt"
"""How the names of members end that PyTorch unpickles: example inputs, and weights of old files."""


def check_archive(path: Path) -> None:
    """Check that a file is one of torch.export.save, and that no code is run when it is loaded.

    Raises E0701 for an unreadable one, E0801 for one of another format or that is damaged, E0810
    for one that holds code, E0802 for ops that are not PyTorch's own, E0804 for symbolic shapes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(path, archive)
    except OSError as problem:
        raise error("E0701", f"cannot read {path}: {problem.strerror or problem}") from None
    except (
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        ValueError,
        RecursionError,
    ) as problem:
        if _is_pickle(path):
            raise _code(path, "a pickle, which runs code when it is loaded") from None
        raise _damaged(path, str(problem)) from None


def check_samples(torch: Any, path: Path) -> None:
    """Read pickles, the example inputs among them, as data; E0810 if they are more, which PyTorch
    would run."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(PICKLES)]
        contents = [content for name in names if (content := archive.read(name))]
    for content in contents:
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except Exception as problem:  # noqa: BLE001  whatever damaged pickles lead to
            first = first_line(problem)
            raise _code(path, "pickles of more than tensors", first) from None


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _check(path: Path, archive: zipfile.ZipFile) -> None:
    members = _members(path, archive)
    if any(name.startswith("code/") or name == "constants.pkl" for name in members):
        raise _code(path, "a TorchScript program")
    if "archive_format" not in members:
        kind = "a pickle, which runs code when it is loaded"
        raise _code(path, kind) if "data.pkl" in members else _damaged(path, "it is another zip")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in members.values()):
        raise _damaged(path, "it is compressed, which such files never are")
    if any(name.startswith("data/aotinductor/") for name in members):
        raise _code(path, "a compiled library")
    for name in members:
        if name.startswith("data/") and name.endswith("_config.json"):
            _check_config(path, _json(path, archive, members[name]))
    models = [name for name in members if name.startswith("models/")]
    if models != ["models/model.json"]:
        raise _damaged(path, f"it holds {len(models)} programs, where one is read")
    _check_program(path, _json(path, archive, members[models[0]]))


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members by their names under the folder that all have in common."""
    entries = archive.infolist()
    if len(entries) > MAX_MEMBERS:
        raise _damaged(path, f"it has {len(entries):,} members")
    members = {entry.filename.partition("/")[2]: entry for entry in entries}
    if len(members) < len(entries):
        raise _damaged(path, "it has two members of one name")
    return members


def _json(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    if entry.file_size > MAX_JSON:
        raise _damaged(path, f"its {entry.filename} has {entry.file_size:,} bytes")
    return json.loads(archive.read(entry))


def _check_config(path: Path, config: Any) -> None:
    """Refuse constants that are pickled."""
    for found in _objects(config):
        name = found.get("path_name")
        if found.get("use_pickle") or str(name).startswith(PICKLED):
            raise _code(path, f"the pickled object {name}")


def _check_program(path: Path, program: Any) -> None:
    """Refuse what PyTorch would look up or evaluate by name."""
    problems = []
    if isinstance(program, dict) and program.get("guards_code"):
        raise _code(path, "guards in Python")
    for found in _objects(program):
        if "expr_str" in found:
            helps = ["export the module without dynamic_shapes"]
            raise error("E0804", f"{path} has shapes that are not static", helps=helps)
        target = found.get("target")
        if isinstance(target, str) and "metadata" in found and not _is_own(target):
            problems.append(_problem(target, found))
    refuse(problems, HINT)


def _is_own(target: str) -> bool:
    if target.startswith(FORBIDDEN):
        return False
    return target.startswith(OWN) or target.endswith("operator.getitem")


def _problem(target: str, found: Mapping[str, Any]) -> Problem:
    outputs = found.get("outputs")
    named = [str(each.get("name", "")) for each in _objects(outputs) if "name" in each]
    name, origin = next(iter(named), target), Origin()
    op = ".".join(target.removeprefix("torch.ops.").split(".")[:2])
    return Problem(Node(op, name, (), (name,), {}, *origin), "")


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield all objects of JSON, however deep."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield each
            left += reversed(each.values())
        elif isinstance(each, list):
            left += reversed(each)


def _code(path: Path, what: str, label: str = "") -> MbcError:
    helps = [RESAVE, "weights alone are read by --weights, as data"]
    message = f"{path} holds {what}; mbc runs no code of model files"
    return error("E0810", message, label=label, helps=helps)


def _damaged(path: Path, reason: str) -> MbcError:
    return error("E0801", f"{path} is no program of torch.export", label=reason, helps=[RESAVE])
