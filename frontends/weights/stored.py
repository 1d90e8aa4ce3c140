"""The tensors of a weight file: names, shapes and types first, data on demand.

Nothing in a file is executed, and no array is read before its declared shape and type have been
accepted.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from mbc.diag import MbcError, error, nearest
from mbc.frontends.weights.bfloat16 import read_bfloat16
from mbc.frontends.weights.limits import LimitError
from mbc.frontends.weights.pickles import CodeError
from mbc.frontends.weights.state_dict import NoStateDictError, find_state_dict
from mbc.frontends.weights.torch_legacy import read_legacy
from mbc.frontends.weights.torch_names import StridedTensor
from mbc.frontends.weights.torch_zip import read_zip
from mbc.records import dataclass

Array: TypeAlias = npt.NDArray[np.generic]

SUFFIXES = (".safetensors", ".npz")
TORCH = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".pkl", ".pickle")
COUNTER = "num_batches_tracked"
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
MAX_SAID = 160  # characters of a library's message
MAX_NAME, MAX_NAMES = 80, 8  # of what a file asks for
DAMAGE = (
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression that zipfile lacks
    RuntimeError,  # an encrypted member
    UnicodeError,
    ValueError,
)


@dataclass(frozen=True)
class Stored:
    """One tensor of a file."""

    name: str
    """Name in the file."""
    shape: tuple[int, ...]
    """Declared shape."""
    dtype: str
    """Declared type: f16, bf16, f32, f64, or the file's own name of another type."""
    read: Callable[[], Array]
    """Read the data; bf16 becomes float32."""


@dataclass(frozen=True)
class Listing:
    """The tensors of a file."""

    tensors: Mapping[str, Stored]
    """By name; steps that PyTorch counts are left out."""
    remarks: tuple[str, ...] = ()
    """What was left out, chosen or renamed, in words."""


def stored_tensors(path: Path, key: str | None = None) -> Listing:
    """List all tensors of a file, of PyTorch's the state dict under `key`.

    Raises E0401 (which kind of file), E0402 (asks for code), E0403 (damaged), E0411 (which state
    dict), E0412 (beyond limits), E0701 (unreadable).
    """
    if path.suffix not in (*SUFFIXES, *TORCH):
        raise error(
            "E0401",
            f"cannot tell what kind of weights {path} holds",
            helps=["weights are read from .safetensors, .npz and .pth files"],
        )
    if key is not None and path.suffix not in TORCH:
        raise error(
            "E0411",
            f"--key does not apply to {path}: only files of PyTorch have state dicts under keys",
        )
    with reading(path):
        if path.suffix in TORCH:
            return _without_counters(*_torch(path, key))
        found = _safetensors(path) if path.suffix == ".safetensors" else list(_npz(path))
        return _without_counters({stored.name: stored for stored in found})


def _without_counters(tensors: Mapping[str, Stored], remarks: tuple[str, ...] = ()) -> Listing:
    """Leave out the steps that batch norms of PyTorch count."""
    kept = {name: t for name, t in tensors.items() if name.rpartition(".")[2] != COUNTER}
    if count := len(tensors) - len(kept):
        remarks = (*remarks, f"ignored {count} '{COUNTER}', which are no weights")
    return Listing(kept, remarks)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn exceptions of the libraries into E0402, E0403, E0411, E0412 or E0701."""
    try:
        yield
    except MbcError:
        raise
    except OSError as problem:
        why = problem.strerror or str(problem)
        helps = () if path.exists() else nearest(path.name, _beside(path))
        raise error("E0701", f"cannot read {path}: {why}", helps=helps) from None
    except CodeError as problem:
        raise asks_for_code(path, problem.names) from None
    except NoStateDictError as problem:
        raise no_state_dict(path, problem) from None
    except LimitError as problem:
        raise error("E0412", f"{path} is larger than weights are", label=str(problem)) from None
    except DAMAGE as problem:
        if path.suffix in SUFFIXES and _begins(path, PICKLE):
            raise pickled(path) from None
        raise error(
            "E0403",
            f"{path} is damaged, cut off, or not a {path.suffix} file",
            label=_first_words(problem),
        ) from None


def _beside(path: Path) -> list[str]:
    """List the weight files in the same folder."""
    if not path.parent.is_dir():
        return []
    return [other.name for other in path.parent.iterdir() if other.suffix in (*SUFFIXES, *TORCH)]


def _first_words(problem: BaseException) -> str:
    """Return the first line of a library's message, at most MAX_SAID characters."""
    said = str(problem).splitlines()
    return said[0][:MAX_SAID] + "…" * (len(said[0]) > MAX_SAID) if said else type(problem).__name__


def pickled(path: Path) -> MbcError:
    """Return E0402, for a pickle under a name that promises none."""
    return error(
        "E0402",
        f"{path} is a pickle, not a {path.suffix} file",
        helps=[f"if it is a state dict of PyTorch, call it {path.with_suffix('.pth').name}"],
    )


def asks_for_code(path: Path, names: Sequence[str]) -> MbcError:
    """Return E0402, for a pickle that wants more than tensors."""
    shown = [f"{name[:MAX_NAME]}{'…' * (len(name) > MAX_NAME)}" for name in names[:MAX_NAMES]]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return error(
        "E0402",
        f"{path} asks for code: {', '.join(shown)}{more}",
        label="mbc reads tensors from a pickle, and runs nothing",
        helps=[
            "where you trust the file, load it with PyTorch and save its tensors alone: "
            "torch.save(model.state_dict(), 'net.pth')"
        ],
    )


def no_state_dict(path: Path, problem: NoStateDictError) -> MbcError:
    """Return E0411, with the keys to choose from."""
    found = ", ".join(name[:MAX_NAME] for name in problem.found[:MAX_NAMES])
    return error(
        "E0411",
        f"cannot tell which tensors of {path} are the weights: {problem}",
        label=f"it has {found}" if found else "",
        helps=["mbc weights map takes --key KEY"] if found else [],
    )


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _torch(path: Path, key: str | None) -> tuple[dict[str, Stored], tuple[str, ...]]:
    saved = read_zip(path) if _begins(path, ZIP) else read_legacy(path)
    state = find_state_dict(saved.value, key)

    def reader(tensor: StridedTensor) -> Callable[[], Array]:
        return lambda: saved.read(tensor)

    tensors = {
        name: Stored(name, tensor.shape, tensor.storage.dtype, reader(tensor))
        for name, tensor in state.tensors.items()
    }
    return tensors, state.remarks


def _safetensors(path: Path) -> list[Stored]:
    def reader(name: str, dtype: str) -> Callable[[], Array]:
        def read() -> Array:
            if dtype == "BF16":
                return read_bfloat16(path, name)
            with safe_open(path, framework="numpy") as file:
                array: Array = file.get_tensor(name)
                return array

        return read

    path.open("rb").close()  # the library's own errors do not say what is wrong with the file
    with safe_open(path, framework="numpy") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        return [
            Stored(
                name,
                tuple(part.get_shape()),
                part.get_dtype().lower(),
                reader(name, part.get_dtype()),
            )
            for name, part in slices.items()
        ]


def _npz(path: Path) -> Iterator[Stored]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".pkl"):  # what torch.save writes is also a zip
                raise pickled(path)
            if not member.endswith(".npy"):
                raise ValueError(f"it contains {member}, which is not a .npy array")
            with archive.open(member) as file:
                shape, dtype = _header(file)
            if dtype.hasobject:
                raise CodeError(("an array of Python objects",))
            word = f"{dtype.kind}{8 * dtype.itemsize}" if dtype.kind in "fiuc" else str(dtype)
            yield Stored(member.removesuffix(".npy"), shape, word, _member_reader(path, member))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    match version:
        case (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        case (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        case _:
            raise ValueError(f"an array in format {version[0]}.{version[1]} of .npy")
    return shape, dtype


def _member_reader(path: Path, member: str) -> Callable[[], Array]:
    def read() -> Array:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
            return array

    return read
