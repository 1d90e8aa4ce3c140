"""Dataclasses that are completed late: as those of the standard library, but for the time."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from dataclasses import field
from functools import cached_property
from inspect import signature
from typing import Any, ClassVar

import pytest

from mbc import records
from mbc.records import dataclass


@dataclass(frozen=True)
class Base:
    """A base."""

    kind: ClassVar[str] = "base"
    a: int
    b: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("a is negative")

    @cached_property
    def twice(self) -> int:
        return 2 * self.a


@dataclass(frozen=True)
class Derived(Base):
    """Overrides a default, and has a field of its own."""

    b: tuple[int, ...] = (7,)
    c: list[int] = field(default_factory=list, compare=True)


class Plain(Base):
    """A subclass that is no dataclass of its own."""


@dataclass
class Changing:
    """Not frozen."""

    x: int = 0
    y: int | None = field(default=None)


@dataclass(frozen=True, eq=False)
class Identified:
    """Compared by identity."""

    x: int = 0


@dataclasses.dataclass(frozen=True)
class Late(Base):
    """A dataclass of the standard library on top of ours."""

    d: int = 4


STANDARD: Any = dataclasses.dataclass(frozen=True)(
    type("Derived", (), {"__annotations__": {"a": int, "b": tuple, "c": list}, "b": (7,), "c": 0})
)


def test_construction() -> None:
    item = Derived(1, c=[2])
    assert (item.a, item.b, item.c, item.twice, item.kind) == (1, (7,), [2], 2, "base")
    assert Derived(1).c == []
    assert Derived(1).c is not Derived(1).c
    assert (Late(1).b, Late(1).d, Changing().y, Changing(y=3).y) == ((), 4, None, 3)
    with pytest.raises(ValueError, match="a is negative"):
        Derived(-1)
    with pytest.raises(TypeError, match=r"Base\.__init__\(\) missing 1 required .* 'a'"):
        Base()  # type: ignore[call-arg]
    assert list(signature(Derived).parameters) == ["a", "b", "c"]


def test_text() -> None:
    assert repr(Derived(1)) == "Derived(a=1, b=(7,), c=[])"
    assert repr(STANDARD(1, (7,), [])) == "Derived(a=1, b=(7,), c=[])"
    assert repr(Plain(1)) == "Plain(a=1, b=())"
    looped = Changing()
    looped.x = looped  # type: ignore[assignment]
    assert repr(looped) == "Changing(x=..., y=None)"


def test_comparison() -> None:
    assert Base(1) == Base(1)
    assert Base(1) != Base(2)
    assert Base(1) != Plain(1)
    assert hash(Base(1, (2,))) == hash((1, (2,))) == hash(Plain(1, (2,)))
    assert len({Base(1), Base(1), Base(2)}) == 2
    assert Changing(1) == Changing(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Changing())
    assert Identified() != Identified()
    assert len({Identified(), Identified()}) == 2


def test_what_is_frozen_stays() -> None:
    item: Any = Base(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'a'"):
        item.a = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'a'"):
        del item.a
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'z'"):
        item.z = 2
    plain: Any = Plain(1)
    plain.z = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'a'"):
        plain.a = 2
    changing = Changing()
    changing.x = 2
    assert changing.x == 2


def test_the_tools_of_the_standard_library() -> None:
    assert [f.name for f in dataclasses.fields(Derived)] == ["a", "b", "c"]
    assert [f.default for f in dataclasses.fields(Base)] == [dataclasses.MISSING, ()]
    assert dataclasses.is_dataclass(Identified)
    assert dataclasses.replace(Derived(1), a=2) == Derived(2)
    assert dataclasses.asdict(Derived(1)) == {"a": 1, "b": (7,), "c": []}
    assert pickle.loads(pickle.dumps(Derived(1, (3,)))) == Derived(1, (3,))
    assert copy.deepcopy(Base(1)) == Base(1)
    match Derived(1):
        case Derived(a, b):
            assert (a, b) == (1, (7,))


def test_fields_beyond_those_of_ours() -> None:
    @dataclass(frozen=True)
    class Hidden:
        x: int = field(default=0, init=False)

    with pytest.raises(TypeError, match=r"Hidden has fields that only dataclasses.dataclass makes"):
        Hidden()


def test_options_beyond_those_of_ours() -> None:
    ordered: Any = records.dataclass(frozen=True, order=True)(
        type("Ordered", (), {"__annotations__": {"x": int}, "__doc__": ""})
    )
    assert ordered(1) < ordered(2)


def test_a_class_is_compiled_when_it_is_first_used() -> None:
    code = (
        "import dataclasses\nmade = []\nstandard = dataclasses.dataclass\n"
        "def spied(**options):\n"
        "    return lambda c: made.append(c.__name__) or standard(**options)(c)\n"
        "dataclasses.dataclass = spied\n"
        "from mbc.ir.views import Place, Segment\n"
        "assert not made, made\nPlace(0)\nPlace(1)\nassert made == ['Place'], made\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
