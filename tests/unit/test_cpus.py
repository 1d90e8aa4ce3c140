"""Which CPUs threads are pinned to, by what a made-up /sys says of them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mbc.diag import MbcError
from mbc.runtime import cpus
from mbc.runtime.cpus import choose_cpus, cluster, parse_cpus, speeds
from mbc.runtime.pool import Team

RK3588 = {cpu: 381 if cpu < 4 else 1024 for cpu in range(8)}
SNAPDRAGON = dict.fromkeys(range(4), 250) | dict.fromkeys((4, 5, 6), 800) | {7: 1024}


def write_cpus(folder: Path, measure: str, values: Mapping[int, int | str]) -> Path:
    """/sys/devices/system/cpu of a machine, as far as it tells `measure`."""
    for cpu, value in values.items():
        path = folder / f"cpu{cpu}" / measure
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", (0,)), ("4-7", (4, 5, 6, 7)), ("0,2,4-5", (0, 2, 4, 5)), ("1,1", (1, 1)), ("3-3", (3,))],
)
def test_lists(text: str, expected: tuple[int, ...]) -> None:
    assert parse_cpus(text) == expected


@pytest.mark.parametrize("text", ["", "two", "3-1", "1,", "-1", "1-", "0-300", "0x1", "1 2", "1.5"])
def test_no_lists(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        parse_cpus(text)


def test_clusters() -> None:
    assert cluster("big", RK3588) == (4, 5, 6, 7)
    assert cluster("little", RK3588) == (0, 1, 2, 3)
    assert cluster("big", SNAPDRAGON) == (7, 4, 5, 6), "the fastest first"
    assert cluster("little", SNAPDRAGON) == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("known", "why"),
    [({0: 1024, 1: 1024}, "are all alike"), ({0: 9}, "are all alike"), ({}, "do not tell")],
)
def test_machines_without_clusters(known: dict[int, int], why: str) -> None:
    with pytest.raises(MbcError, match=f"there are no big CPUs: those of this machine {why}"):
        cluster("big", known)


def test_capacity_goes_before_clock(tmp_path: Path) -> None:
    write_cpus(tmp_path, "cpufreq/cpuinfo_max_freq", {0: 1_800_000, 1: 2_400_000})
    assert speeds(tmp_path, (0, 1)) == {0: 1_800_000, 1: 2_400_000}
    write_cpus(tmp_path, "cpu_capacity", {0: 500})
    assert speeds(tmp_path, (0, 1))[1] == 2_400_000, "the capacity of one CPU alone says nothing"
    write_cpus(tmp_path, "cpu_capacity", {1: 1024})
    assert speeds(tmp_path, (0, 1)) == {0: 500, 1: 1024}
    assert speeds(tmp_path, (1,)) == {1: 1024}, "the others may not be used"
    assert speeds(tmp_path, (0, 1, 2)) == {}
    write_cpus(tmp_path, "cpu_capacity", {0: "?"})
    write_cpus(tmp_path, "cpufreq/cpuinfo_max_freq", {0: ""})
    assert speeds(tmp_path, (0, 1)) == {}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An RK3588 on which CPU 5 may not be used."""
    write_cpus(tmp_path, "cpu_capacity", RK3588)
    monkeypatch.setattr(cpus, "FOLDER", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(RK3588) - {5})


@pytest.mark.usefixtures("board")
def test_as_many_as_threads() -> None:
    assert choose_cpus("big", None) == (4, 6, 7)
    assert choose_cpus("big", 2) == (4, 6)
    assert choose_cpus((9, 2), None) == choose_cpus((9, 2), 2) == (9, 2)
    with pytest.raises(MbcError, match=r"4 threads on 3 big CPUs \(4, 6, 7\)"):
        choose_cpus("big", 4)
    with pytest.raises(MbcError, match="2 CPUs for 3 threads"):
        choose_cpus((9, 2), 3)


def test_one_thread_that_is_not_pinned_needs_no_pool() -> None:
    assert Team().gather() is None
