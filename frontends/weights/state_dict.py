"""Find the state dict in what a file of PyTorch holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mbc.frontends.weights.pickles import Pairs
from mbc.frontends.weights.torch_names import StridedTensor
from mbc.records import dataclass

PREFIXES = ("module.", "_orig_mod.")
"""What wrappers of PyTorch (DataParallel, compile) put before each name."""
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "params", "weights")
"""Keys under which training scripts keep a state dict, beside the optimizer's state."""
MAX_DEPTH = 4


class NoStateDictError(Exception):
    """A file has no state dict, or several."""

    def __init__(self, message: str, found: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.found = found
        """Keys to choose from."""


@dataclass(frozen=True)
class StateDict:
    """The tensors of a model by name."""

    tensors: Mapping[str, StridedTensor]
    remarks: tuple[str, ...]
    """What was left out or renamed."""


def find_state_dict(value: object, key: str | None = None) -> StateDict:
    """Return the state dict in a saved object: itself, or under `key`, or under a usual key.

    Raises NoStateDictError.
    """
    remarks = list[str]()
    path = list[str]()
    if key is not None:
        value = _under(value, key)
    while not _tensors(value) and len(path) < MAX_DEPTH:
        word = _wrapper(value)
        path.append(word)
        value = dict(_texts(value))[word]
    if path:
        remarks.append(f"took the tensors under '{'.'.join(map(_shown, path))}'")
    if not _tensors(value):
        raise NoStateDictError("it holds no tensors by name")
    remarks += _left_out(value)
    tensors, words = _without_prefixes(_tensors(value))
    return StateDict(tensors, (*remarks, *words))


def _texts(value: object) -> list[tuple[str, object]]:
    """Return the items whose keys are text."""
    if not isinstance(value, Pairs):
        return []
    return [(key, item) for key, item in value.items if isinstance(key, str)]


def _tensors(value: object) -> dict[str, StridedTensor]:
    return {key: item for key, item in _texts(value) if isinstance(item, StridedTensor)}


def _under(value: object, key: str) -> object:
    """Return the item at a dotted path of keys."""
    for word in key.split("."):
        items = dict(_texts(value))
        if word not in items:
            raise NoStateDictError(f"it has no '{key}'", tuple(items))
        value = items[word]
    return value


def _wrapper(value: object) -> str:
    """Return the key that a state dict is under."""
    items = dict(_texts(value))
    nested = [key for key, item in items.items() if isinstance(item, Pairs)]
    usual = [key for key in WRAPPERS if key in nested]
    averaged = [key for key in nested if key not in usual and _tensors(items[key])]
    if len(usual) + len(averaged) > 1:
        raise NoStateDictError("it holds several state dicts", (*usual, *averaged))
    if not usual and not averaged:
        raise NoStateDictError("it holds no state dict", tuple(items))
    return (*usual, *averaged)[0]


def _left_out(value: object) -> Iterator[str]:
    """Say which entries are no tensors."""
    if not isinstance(value, Pairs):
        return
    others = [key for key, item in value.items if not isinstance(item, StridedTensor)]
    names = [_shown(key) if isinstance(key, str) else "a key that is no text" for key in others]
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"ignored what is no tensor: {', '.join(names[:3])}{more}"


def _shown(key: str) -> str:
    """Return the beginning of a key, without what could control a terminal."""
    return ascii(key[:80])[1:-1]


def _without_prefixes(
    tensors: Mapping[str, StridedTensor],
) -> tuple[Mapping[str, StridedTensor], list[str]]:
    """Strip what stands before every name."""
    remarks = []
    while prefix := next((p for p in PREFIXES if all(n.startswith(p) for n in tensors)), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        remarks.append(f"stripped '{prefix}' from {len(tensors)} names")
    return tensors, remarks
