"""Read a pickle as data: its opcodes build lists, tuples and pairs, and nothing is executed.

Names of classes and functions stay text. A `Vocabulary` says what the known ones build; a call of
any other gives an `Opaque` and is recorded, so that a file is refused with all that it asks for.
A dict stays a list of pairs, since hashing keys that a file chooses can take exponential time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import field
from io import BytesIO
from typing import Protocol, TypeAlias

from mbc.frontends.weights.limits import MAX_STEPS, LimitError
from mbc.records import dataclass

Builder: TypeAlias = Callable[[tuple[object, ...]], object]


class CodeError(Exception):
    """A pickle asks for names beyond the vocabulary; `names` lists them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


@dataclass(frozen=True)
class Opaque:
    """A value that the pickle wants from a name beyond the vocabulary."""

    name: str


@dataclass(eq=False)
class Pairs:
    """A dict: its keys and values in the order in which they were set."""

    items: list[tuple[object, object]] = field(default_factory=list)


@dataclass(frozen=True)
class Known:
    """A name of the vocabulary."""

    name: str
    build: Builder | None = None
    """What a call of it builds; None for a name that is never called."""


class Vocabulary(Protocol):
    """The names that a pickle may use, and what its persistent ids stand for."""

    @property
    def names(self) -> Mapping[tuple[str, str], Known]:
        """Module and name -> what it is."""

    def persistent(self, id: object) -> object:
        """Return what an id stands for; raises ValueError."""


@dataclass
class Machine:
    """The state of a pickle that is being read."""

    vocabulary: Vocabulary
    stack: list[object] = field(default_factory=list)
    below: list[list[object]] = field(default_factory=list)
    """The stacks below each open mark."""
    memo: dict[int, object] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)
    """Names beyond the vocabulary, in the order of their first use."""

    def close_mark(self) -> list[object]:
        """Pop the values above the last mark, and the mark."""
        values, self.stack = self.stack, self.below.pop()
        return values

    def refuse(self, name: str) -> Opaque:
        """Record a name beyond the vocabulary."""
        self.unknown[name] = None
        return Opaque(name)

    def lookup(self, module: object, name: object) -> object:
        """Return what a name stands for."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        known = self.vocabulary.names.get((module, name))
        return known if known is not None else self.refuse(f"{module}.{name}")

    def call(self, target: object, arguments: object) -> object:
        """Return what a call of a known name builds; record any other call."""
        match target:
            case Known(build=build) if build is not None and isinstance(arguments, tuple):
                return build(arguments)
            case Known(name=name):
                return self.refuse(f"{name}()")
            case Opaque():
                return target
        raise ValueError("a call of what is no function")


def load(data: BytesIO, vocabulary: Vocabulary) -> object:
    """Read one pickle; `data` is left behind it.

    Raises CodeError (names beyond the vocabulary), LimitError, ValueError (damaged).
    """
    machine = Machine(vocabulary)
    try:
        return _run(machine, data)
    except (ValueError, IndexError, KeyError, LimitError) as problem:
        if machine.unknown:
            raise CodeError(tuple(machine.unknown)) from None
        if isinstance(problem, IndexError | KeyError):
            raise ValueError("the pickle refers to what it does not hold") from None
        raise


def _run(machine: Machine, data: BytesIO) -> object:
    import pickletools  # takes time to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python, about the escapes of old strings
        for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if step == MAX_STEPS:
                raise LimitError(f"a pickle of more than {MAX_STEPS:,} opcodes")
            handler = HANDLERS.get(opcode.name)
            if handler is None:
                raise CodeError((*machine.unknown, f"opcode {opcode.name}"))
            handler(machine, argument)
    (result,) = machine.stack
    if machine.unknown:
        raise CodeError(tuple(machine.unknown))
    return result


# ---- what each opcode does; the second argument is the opcode's own ----------------------------

Handler: TypeAlias = Callable[[Machine, object], None]


def _push(machine: Machine, argument: object) -> None:
    machine.stack.append(argument)


def _constant(value: object) -> Handler:
    return lambda machine, _: machine.stack.append(value)


def _skip(machine: Machine, argument: object) -> None:
    pass


def _mark(machine: Machine, _: object) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine, _: object) -> None:
    machine.stack.pop()


def _pop_mark(machine: Machine, _: object) -> None:
    machine.close_mark()


def _empty_list(machine: Machine, _: object) -> None:
    machine.stack.append([])


def _empty_dict(machine: Machine, _: object) -> None:
    machine.stack.append(Pairs())


def _list(machine: Machine, _: object) -> None:
    values = machine.close_mark()
    machine.stack.append(values)


def _tuple(machine: Machine, _: object) -> None:
    values = machine.close_mark()
    machine.stack.append(tuple(values))


def _dict(machine: Machine, _: object) -> None:
    values = machine.close_mark()
    machine.stack.append(Pairs(_paired(values)))


def _paired(values: list[object]) -> list[tuple[object, object]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _tuple_of(count: int) -> Handler:
    def handler(machine: Machine, _: object) -> None:
        values = [machine.stack.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(values)))

    return handler


def _append(machine: Machine, _: object) -> None:
    value = machine.stack.pop()
    _extend(machine.stack[-1], [value])


def _appends(machine: Machine, _: object) -> None:
    values = machine.close_mark()
    _extend(machine.stack[-1], values)


def _extend(target: object, values: list[object]) -> None:
    if isinstance(target, list):
        target.extend(values)
    elif not isinstance(target, Opaque):
        raise ValueError("an element of what is no list")


def _set_item(machine: Machine, _: object) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _update(machine.stack[-1], [(key, value)])


def _set_items(machine: Machine, _: object) -> None:
    values = machine.close_mark()
    _update(machine.stack[-1], _paired(values))


def _update(target: object, items: list[tuple[object, object]]) -> None:
    if isinstance(target, Pairs):
        target.items.extend(items)
    elif not isinstance(target, Opaque):
        raise ValueError("an item of what is no dict")


def _put(machine: Machine, argument: object) -> None:
    if not isinstance(argument, int):
        raise ValueError("a place in the memo that is no number")
    machine.memo[argument] = machine.stack[-1]


def _memoize(machine: Machine, _: object) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(machine: Machine, argument: object) -> None:
    if not isinstance(argument, int):
        raise ValueError("a place in the memo that is no number")
    machine.stack.append(machine.memo[argument])


def _global(machine: Machine, argument: object) -> None:
    module, _, name = str(argument).partition(" ")
    machine.stack.append(machine.lookup(module, name))


def _stack_global(machine: Machine, _: object) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.lookup(module, name))


def _reduce(machine: Machine, _: object) -> None:
    arguments, target = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.call(target, arguments))


def _new_object(machine: Machine, _: object) -> None:
    _, target = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(_instance(machine, target))


def _new_object_of_names(machine: Machine, _: object) -> None:
    _, _, target = machine.stack.pop(), machine.stack.pop(), machine.stack.pop()
    machine.stack.append(_instance(machine, target))


def _object(machine: Machine, _: object) -> None:
    values = machine.close_mark()
    machine.stack.append(_instance(machine, values[0]))


def _inst(machine: Machine, argument: object) -> None:
    machine.close_mark()
    module, _, name = str(argument).partition(" ")
    machine.stack.append(_instance(machine, machine.lookup(module, name)))


def _instance(machine: Machine, target: object) -> Opaque:
    """Record a class that is instantiated; those of the vocabulary are called instead."""
    match target:
        case Opaque():
            return target
        case Known(name=name):
            return machine.refuse(f"{name}()")
    raise ValueError("an instance of what is no class")


def _build(machine: Machine, _: object) -> None:
    """Drop the state of an object: a state dict keeps the versions of its modules there."""
    state, target = machine.stack.pop(), machine.stack[-1]
    if not isinstance(target, Opaque) and not (
        isinstance(target, Pairs) and isinstance(state, Pairs)
    ):
        raise ValueError("the state of what has none")


def _persistent(machine: Machine, _: object) -> None:
    machine.stack.append(machine.vocabulary.persistent(machine.stack.pop()))


_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_STRINGS = (
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
)

HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys((*_NUMBERS, *_BYTES, *_STRINGS), _push),
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _skip),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    "MEMOIZE": _memoize,
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "EMPTY_LIST": _empty_list,
    "EMPTY_SET": _empty_list,
    "EMPTY_DICT": _empty_dict,
    "EMPTY_TUPLE": _constant(()),
    "LIST": _list,
    "FROZENSET": _list,
    "TUPLE": _tuple,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "DICT": _dict,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _new_object,
    "NEWOBJ_EX": _new_object_of_names,
    "OBJ": _object,
    "INST": _inst,
    "BUILD": _build,
    "BINPERSID": _persistent,
}
