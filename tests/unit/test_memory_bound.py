"""The lower bound of memory plans, counted by hand."""

from mbc.memory.bound import live_bytes, lower_bound
from mbc.memory.needs import Buffer, Needs, Overlap


def buffer(first: int, last: int, bytes: int) -> Buffer:
    return Buffer({}, first, last, bytes)


def test_what_is_alive_adds_up() -> None:
    needs = Needs((buffer(0, 1, 100), buffer(1, 2, 50), buffer(2, 3, 70)), (), 3)
    assert live_bytes(needs) == [100, 150, 120]
    assert lower_bound(needs) == 150


def test_nothing() -> None:
    assert lower_bound(Needs((), (), 0)) == 0
    assert lower_bound(Needs((), (), 2)) == 0


def overlapping(result: int, *operands: tuple[int, int]) -> int:
    """The bound where a result lies over operands, given as (bytes, distance)."""
    made = buffer(1, 1, result)
    held = [buffer(0, 1, bytes) for bytes, _ in operands]
    overlaps = [
        Overlap(1, made, operand, distance)
        for operand, (_, distance) in zip(held, operands, strict=True)
    ]
    return lower_bound(Needs((made, *held), tuple(overlaps), 2))


def test_a_result_over_its_operand() -> None:
    assert overlapping(100, (100, 30)) == 130
    assert overlapping(100, (40, 30)) == 100
    assert overlapping(100, (300, 0)) == 300
    assert overlapping(100, (100, 99)) == 199


def test_a_result_over_two_operands() -> None:
    """The second lies after the first; in one order they may need less than in the other."""
    assert overlapping(100, (40, 10), (40, 60)) == 100
    assert overlapping(100, (40, 60), (40, 10)) == 100
    assert overlapping(100, (90, 0), (80, 50)) == 170
    assert overlapping(200, (50, 0), (20, 180)) == 200


def test_operands_are_alive_before_their_result() -> None:
    """What they need then may be more."""
    assert overlapping(10, (90, 0), (80, 0)) == 170


def test_others_alive_at_the_time_count_in_full() -> None:
    made, operand, other = buffer(1, 1, 100), buffer(0, 1, 100), buffer(0, 2, 1000)
    needs = Needs((made, operand, other), (Overlap(1, made, operand, 20),), 3)
    assert live_bytes(needs) == [1100, 1120, 1000]
