"""IR text with its data: `.mbc` files and one `constants.safetensors` in the same folder.

The side-car is content-addressed: it holds each array once, under the first 16 hex digits of the
SHA-256 of its type and bytes, to which the text of each dump refers. So the dumps of all passes
share the arrays that passes do not change.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mbc.diag import Diagnostic, MbcError, error
from mbc.files import parents_of, write_together, write_whole
from mbc.ir.graph import Constant, Graph
from mbc.ir.text.printer import print_graph

if TYPE_CHECKING:
    from mbc.ir.text.parser import Module

SIDECAR = "constants.safetensors"
HASH_IN_TEXT = re.compile(r"#([0-9a-f]{16})\b")


def content_hash(constant: Constant) -> str:
    """Hash the type and bytes of a constant with data to 16 hex digits."""
    digest = hashlib.sha256(str(constant.type).encode())
    digest.update(_stored(constant).data)
    return digest.hexdigest()[:16]


def _stored(constant: Constant) -> np.ndarray:
    """Return the array as stored in the side-car: little-endian."""
    element = constant.type.element.numpy.newbyteorder("<")
    return np.ascontiguousarray(constant.array, dtype=element)


class DumpFolder:
    """A folder of dumps of one compilation; a context manager, or call `close`.

    Texts are written immediately, the arrays of all of them together at the end. Arrays of older
    dumps in the folder are kept while their texts refer to them. E0703 where writing fails.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._arrays: dict[str, np.ndarray] = {}
        self._hashes: dict[Constant, str] = {}
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> DumpFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, graph: Graph, filename: str, *, locations: bool = False) -> Path:
        """Write the text of a graph, with hashes of bound constants."""
        path = self.folder / filename
        with _writing(path):
            write_whole(path, self._text(graph, locations=locations))
        return path

    def write_text(self, text: str, filename: str) -> None:
        """Write a text beside the dumps."""
        path = self.folder / filename
        with _writing(path):
            write_whole(path, text.encode())

    def write_last(self, graph: Graph, filename: str) -> Path:
        """Write the text of a graph and the arrays: both files, or neither if that fails."""
        path = self.folder / filename
        text = self._text(graph, locations=False)
        with _writing(path):
            write_together({path: text, **self._sidecar(replaced=path)})
        self._arrays, self._hashes = {}, {}
        return path

    def close(self) -> None:
        """Write the arrays, if there are any, and release them."""
        with _writing(self.folder / SIDECAR):
            write_together(self._sidecar())
        self._arrays, self._hashes = {}, {}

    def _text(self, graph: Graph, *, locations: bool) -> bytes:
        stored = (c for c in graph.constants().values() if c.data is not None and not c.literal)
        hashes = {c.name: self._add(c) for c in stored}
        return print_graph(graph, locations=locations, hashes=hashes).encode()

    def _sidecar(self, replaced: Path | None = None) -> dict[Path, bytes]:
        """Return the contents of the side-car by path; {} without arrays. Arrays to which only the
        text that is about to be replaced refers are left out."""
        if not self._arrays:
            return {}
        texts = (text for path, text in self._texts() if path != replaced)
        named = {name for text in texts for name in HASH_IN_TEXT.findall(text)}
        older = dict(_older_arrays(self.folder / SIDECAR, named - self._arrays.keys()))
        return {self.folder / SIDECAR: save(dict(sorted((older | self._arrays).items())))}

    def _add(self, constant: Constant) -> str:
        if constant not in self._hashes:
            name = self._hashes[constant] = content_hash(constant)
            self._arrays[name] = _stored(constant)
        return self._hashes[constant]

    def _texts(self) -> Iterator[tuple[Path, str]]:
        for path in self.folder.glob("*.mbc"):
            with contextlib.suppress(OSError):
                yield path, path.read_text(errors="replace")


def write_dump(graph: Graph, folder: Path, filename: str) -> Path:
    """Write one dump and its constants, or neither; returns the path of the text. E0703."""
    with _writing(folder), parents_of(folder / filename):
        return DumpFolder(folder).write_last(graph, filename)


def load_module(path: Path) -> Graph:
    """Load the graph of a `.mbc` file, with data where the text gives hashes.

    Raises MbcError: E0701 (cannot be read), E0301 (not UTF-8), those of `parse`, E0320 (cannot read
    the side-car), E0321 (data is missing or does not match the hash).
    """
    from mbc.ir.text.parser import parse_module  # takes time to import

    module = parse_module(_read_text(path), str(path))
    if module.hashes:
        _bind(module, path.parent / SIDECAR)
    return module.graph


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as problem:
        raise error("E0701", f"cannot read {path}: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise error("E0301", f"{path} is not UTF-8 text: byte {problem.start}") from None


def _bind(module: Module, sidecar: Path) -> None:
    constants = module.graph.constants()
    wanted = {name: content for name, content in module.hashes.items() if name in constants}
    arrays = _read_arrays(sidecar, set(wanted.values()))
    problems: list[Diagnostic] = []
    for name, content in wanted.items():
        reason = _bind_one(constants[name], content, arrays)
        if reason:
            place = module.places[name]
            problems.append(Diagnostic("E0321", f"@{name}: {reason}", place, sidecar.name))
    if problems:
        raise MbcError(*problems[:10])


def _bind_one(constant: Constant, content: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Bind a constant to its data; returns why that failed, or ""."""
    data = arrays.get(content)
    if data is None:
        return f"there is no data #{content}"
    element = constant.type.element
    found = f"{data.dtype}{list(data.shape)}"
    if data.dtype != element.numpy or data.shape != constant.type.shape:
        return f"the data #{content} is {found}, expected {constant.type}"
    bound = Constant.of(constant.name, data, element)
    if content_hash(bound) != content:
        return f"the data #{content} is damaged: its hash is #{content_hash(bound)}"
    constant.data = bound.data
    return ""


def _read_arrays(sidecar: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    try:
        with safe_open(sidecar, "numpy") as file:
            return {name: file.get_tensor(name) for name in wanted & set(file.keys())}
    except (OSError, SafetensorError) as problem:
        raise error(
            "E0320",
            f"cannot read the constants in {sidecar}: {problem}",
            helps=[f"a dump needs the {SIDECAR} that was written beside it"],
        ) from None


def _older_arrays(sidecar: Path, wanted: Iterable[str]) -> Mapping[str, np.ndarray]:
    """Read arrays of an earlier run; {} if that fails, since the file is about to be replaced."""
    try:
        return _read_arrays(sidecar, set(wanted))
    except MbcError:
        return {}


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise error("E0703", f"cannot write {path}: {problem.strerror or problem}") from None
