"""`mbc bench --backend tvm`, in this process and on devices of an RPC tracker on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mbc.backends.tvm import require
from mbc.backends.tvm.rpc.remote import RemoteNet, open_session, uploaded
from mbc.backends.tvm.rpc.tracker import Address, Tracker
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_configured, compile_graph
from mbc.driver.request import Request, Silent
from tests.e2e.rpc_devices import (
    HOST,
    Process,
    answering,
    device,
    has_device,
    listening,
    silent,
    summary,
    tracker,
    wait_for,
)
from tests.e2e.support import Outcome, done, mbc

FIGURES = {"ms_min", "ms_median", "gflops"}

TWO = """\
from mbc.frontends.dsl import Net, Tensor, network


@network
def two(nn: Net) -> tuple[Tensor, Tensor]:
    a, b = nn.input(6, 6, 4, name="a"), nn.input(6, 6, 4, name="b")
    return nn.pointwise(a, 8), nn.global_avg_pool(nn.add(a, b))
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A tracker with one device, `board`, that computes on two threads."""
    folder = tmp_path_factory.mktemp("rpc")
    with tracker(folder) as address, device(folder, address, "board", threads=2):
        yield address


def on_device(network: Path, at: Address, *options: str) -> Outcome:
    words = ("bench", network, "--backend", "tvm", "--rpc", str(at), "--rounds", "4")
    return mbc(*words, *options)


# ---- in this process -------------------------------------------------------------------------


def test_tvm_is_timed_in_this_process(tiny: Path) -> None:
    words = ("bench", tiny, "--backend", "tvm", "--rounds", "3")
    data = json.loads(done(*words, "--json").out)
    assert data["backend"] == "tvm"
    assert set(data["mbc"]) == FIGURES | {"peak_fraction"}
    assert 0 < data["mbc"]["ms_min"] <= data["mbc"]["ms_median"]
    out = done(*words).out
    assert out.startswith("tiny under TVM: min ")
    assert "FMA peak" in out


def test_its_answer_is_compared_with_other_engines(tiny: Path) -> None:
    words = ("bench", tiny, "--backend", "tvm", "--rounds", "2", "--vs", "onnxruntime", "--json")
    data = json.loads(done(*words).out)
    assert data["backend"] == "tvm"
    assert data["ratio"]["onnxruntime"] > 0


# ---- on a device -----------------------------------------------------------------------------


def test_a_network_is_timed_on_a_device(tiny: Path, at: Address) -> None:
    outcome = on_device(tiny, at, "--key", "board", "--threads", "2", "--json")
    assert outcome.status == 0, outcome.err
    data = json.loads(outcome.out)
    assert set(data["mbc"]) == FIGURES
    assert 0 < data["mbc"]["ms_min"] <= data["mbc"]["ms_median"]
    assert (data["backend"], data["rounds"], data["threads"]) == ("tvm", 4, 2)
    assert (data["rpc"]["tracker"], data["rpc"]["key"]) == (str(at), "board")
    assert data["rpc"]["device"].startswith(f"{HOST}:")
    assert data["target"]["name"] == "native"
    assert 0 <= data["errors"]["output"] <= data["tolerance"] == 1e-4
    assert data["mbc"]["gflops"] > 0


def test_the_only_device_needs_no_key(tiny: Path, at: Address) -> None:
    outcome = on_device(tiny, at)
    assert outcome.status == 0, outcome.err
    times, device = outcome.out.splitlines()
    assert times.startswith("tiny: min ")
    assert times.endswith("(4 rounds, 1 thread)")
    assert f"on board at {HOST}:" in device
    assert "relative error" in device


def test_several_inputs_and_outputs(tiny: Path, at: Address) -> None:
    tiny.write_text(TWO)
    outcome = on_device(tiny, at, "--json")
    assert outcome.status == 0, outcome.err
    assert len(json.loads(outcome.out)["errors"]) == 2


def test_calls_are_short_however_many_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    net, calls = RemoteNet.__new__(RemoteNet), list[int]()

    def timed(rounds: int) -> tuple[float, ...]:
        calls.append(rounds)
        return (0.25,) * rounds

    monkeypatch.setattr(net, "_timed", timed)
    assert net.time(11) == (0.25,) * 11
    assert calls == [1, 4, 4, 2]


def test_nothing_stays_on_the_device(tmp_path: Path, at: Address) -> None:
    path = tmp_path / "net.so"
    path.write_bytes(b"code")
    with Tracker(at) as asked:
        loan = asked.borrow("board", 10)
    with open_session(loan, 60, "native") as session:
        with uploaded(session, path) as name:
            assert bytes(session.download(name)) == b"code"
        with pytest.raises(RuntimeError):
            session.download(name)


# ---- answers ---------------------------------------------------------------------------------


def test_a_wrong_answer_is_noticed(
    tiny: Path, at: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if passes had changed the network: the device gets other weights than were written."""
    other = compile_graph(Request(tiny, backend="tvm", seed=1), Inspection(), Silent(), print)
    monkeypatch.setattr(
        "mbc.cli.commands.bench.compile_configured",
        lambda *wishes: replace(compile_configured(*wishes), graph=other.graph),
    )
    outcome = on_device(tiny, at)
    assert (outcome.status, outcome.code) == (1, "E0635")
    assert "the device 'board' at 127.0.0.1:" in outcome.err
    assert "output has a relative error of" in outcome.err
    assert not outcome.out


@pytest.mark.parametrize(("factor", "status"), [(1 + 3e-4, 1), (1 + 3e-5, 0), (float("nan"), 1)])
def test_the_tolerance_is_that_of_verify(
    tiny: Path, at: Address, monkeypatch: pytest.MonkeyPatch, factor: float, status: int
) -> None:
    computed = RemoteNet.__call__
    monkeypatch.setattr(
        RemoteNet,
        "__call__",
        lambda net, inputs: {k: v * factor for k, v in computed(net, inputs).items()},
    )
    outcome = on_device(tiny, at)
    assert outcome.status == status
    assert outcome.code == ("E0635" if status else "")


# ---- the tracker -----------------------------------------------------------------------------


def test_nobody_listens(tiny: Path) -> None:
    with listening(silent) as gone:
        pass
    outcome = on_device(tiny, gone, "--key", "board")
    assert (outcome.status, outcome.code) == (1, "E0630")
    assert f"no RPC tracker answers at {gone}: Connection refused" in outcome.err


def test_who_listens_says_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mbc.backends.tvm.rpc.tracker.PATIENCE", 0.2)
    with listening(silent) as mute:
        outcome = on_device(tiny, mute)
    assert (outcome.status, outcome.code) == (1, "E0630")
    assert "no answer in 0.2 s" in outcome.err


def test_who_listens_is_no_tracker(tiny: Path) -> None:
    with listening(lambda connection: connection.sendall(b"HTTP/1.1 400 no")) as web:
        outcome = on_device(tiny, web)
    assert (outcome.status, outcome.code) == (1, "E0630")
    assert f"what answers at {web} is no RPC tracker" in outcome.err


@pytest.mark.parametrize("host", ["nowhere.invalid", "::1"])
def test_a_host_that_is_not_there(tiny: Path, host: str) -> None:
    with listening(silent) as gone:
        pass
    outcome = on_device(tiny, Address(host, gone.port))
    assert (outcome.status, outcome.code) == (1, "E0630")
    assert "no RPC tracker answers at" in outcome.err


def test_a_tracker_that_ends(tiny: Path) -> None:
    with listening(answering(summary("board"), then=socket.socket.close)) as fake:
        outcome = on_device(tiny, fake)
    assert (outcome.status, outcome.code) == (1, "E0630")
    assert f"no RPC tracker answers at {fake}: " in outcome.err


def test_an_unknown_key(tiny: Path, at: Address) -> None:
    outcome = on_device(tiny, at, "--key", "bord")
    assert (outcome.status, outcome.code) == (1, "E0631")
    assert "no device 'bord'" in outcome.err
    assert "did you mean 'board'?" in outcome.err
    assert f"the tracker at {at} has board" in outcome.err


@pytest.mark.parametrize(
    ("names", "key", "words"),
    [
        ((), None, "has no devices"),
        ((), "rpi4", "has no devices"),
        (("rpi4", "rpi3"), None, "--key does not say which device"),
        (("rpi4", "rpi3", "rpi4"), "mate", "has rpi3, rpi4"),
        (("proxy[mate,p30]", "rpi4"), "p3", "has mate, p30, rpi4"),
    ],
)
def test_keys_that_choose_nothing(
    tiny: Path, names: tuple[str, ...], key: str | None, words: str
) -> None:
    with listening(answering(summary(*names))) as fake:
        outcome = on_device(tiny, fake, *(("--key", key) if key else ()))
    assert (outcome.status, outcome.code) == (1, "E0631")
    assert words in outcome.err


def test_a_busy_device_is_not_waited_for_in_vain(tiny: Path, at: Address) -> None:
    with Tracker(at) as asked:
        loan = asked.borrow("board", 10)
    with open_session(loan, 60, "native"):
        outcome = on_device(tiny, at, "--key", "board", "--timeout", "1")
    assert (outcome.status, outcome.code) == (1, "E0632")
    assert "no device 'board' became free in 1 s" in outcome.err
    assert on_device(tiny, at).status == 0, "the request was taken back"


# ---- the device ------------------------------------------------------------------------------


def test_a_module_for_another_machine(tiny: Path, at: Address) -> None:
    outcome = on_device(tiny, at, "--target", "arm64", "--mcpu", "cortex-a76")
    assert (outcome.status, outcome.code) == (1, "E0633")
    assert "the code is for arm64 (cortex-a76); --target and --mcpu" in outcome.err


def test_a_target_that_fits_is_taken(tiny: Path, at: Address) -> None:
    outcome = on_device(tiny, at, "--target", "x86_64", "--json")
    assert outcome.status == 0, outcome.err
    assert json.loads(outcome.out)["target"]["name"] == "x86_64"


def test_more_threads_than_the_device_has(tiny: Path, at: Address) -> None:
    outcome = on_device(tiny, at, "--threads", "3")
    assert (outcome.status, outcome.code) == (1, "E0606")
    assert "computes on 2 at most, not on 3 threads" in outcome.err


def test_a_session_ends_in_time(tiny: Path, at: Address) -> None:
    outcome = on_device(tiny, at, "--timeout", "1", "--rounds", "1000000000")
    assert (outcome.status, outcome.code) == (1, "E0634"), outcome.err
    assert "was not done in 1 s" in outcome.err
    assert on_device(tiny, at).status == 0, "the device is free again"


def test_a_device_that_dies_halfway(
    tiny: Path, at: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with device(tmp_path, at, "mortal") as server:
        timed = RemoteNet.time

        def time(net: RemoteNet, rounds: int) -> tuple[float, ...]:
            youngest(server).kill()
            return timed(net, rounds)

        monkeypatch.setattr(RemoteNet, "time", time)
        outcome = on_device(tiny, at, "--key", "mortal")
        assert (outcome.status, outcome.code) == (1, "E0634")
        assert "the device 'mortal' at 127.0.0.1:" in outcome.err
        assert "Traceback" not in outcome.err
        wait_for(lambda: not has_device(at, "mortal"), server)


def test_a_device_that_falls_silent_halfway(
    tiny: Path, at: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with device(tmp_path, at, "mute") as server:
        timed = RemoteNet.time

        def time(net: RemoteNet, rounds: int) -> tuple[float, ...]:
            os.killpg(server.pid, signal.SIGSTOP)
            return timed(net, rounds)

        monkeypatch.setattr(RemoteNet, "time", time)
        monkeypatch.setattr("mbc.backends.tvm.rpc.remote.GRACE", 0.5)
        rescue = threading.Timer(60, os.killpg, (server.pid, signal.SIGKILL))
        rescue.start()
        outcome = on_device(tiny, at, "--key", "mute", "--timeout", "1")
        assert rescue.is_alive(), "the wait has no end"
        rescue.cancel()
    assert (outcome.status, outcome.code) == (1, "E0634")
    assert "was not done in 1 s" in outcome.err


def youngest(server: Process) -> psutil.Process:
    """The process that serves the session."""
    workers = psutil.Process(server.pid).children(recursive=True)
    return max(workers, key=lambda worker: worker.create_time())


def test_a_device_that_says_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mbc.backends.tvm.rpc.remote.GRACE", 0.0)
    with listening(silent) as mute:
        lent = [0, [mute.host, mute.port, "board:1"]]
        with listening(answering(summary("board"), lent)) as fake:
            outcome = on_device(tiny, fake, "--timeout", "1")
    assert (outcome.status, outcome.code) == (1, "E0634")
    assert f"cannot reach the device 'board' at {mute}" in outcome.err


def test_a_device_that_is_not_where_the_tracker_says(tiny: Path) -> None:
    with listening(silent) as gone:
        pass
    lent = [0, [gone.host, gone.port, "board:1"]]
    with listening(answering(summary("board"), lent)) as fake:
        outcome = on_device(tiny, fake)
    assert (outcome.status, outcome.code) == (1, "E0634")
    assert f"cannot reach the device 'board' at {gone}" in outcome.err


# ---- options ---------------------------------------------------------------------------------


RPC = ("--backend", "tvm", "--rpc", "127.0.0.1:9190")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (RPC[2:], "--rpc goes with --backend tvm"),
        ((*RPC[2:], "--backend", "llvm"), "--rpc goes with --backend tvm"),
        (("--key", "board"), "--key is for --rpc"),
        (("--backend", "tvm", "--timeout", "9"), "--timeout is for --rpc"),
        (("--target", "arm64"), "--target is for --rpc"),
        (("--mcpu", "cortex-a53"), "--mcpu is for --rpc"),
        (("--mattr=+avx",), "--mattr is for --rpc"),
        ((*RPC, "--vs", "onnxruntime"), "--vs times other engines in this process"),
        ((*RPC, "--cpus", "0"), "--cpus pins our threads"),
        (("--backend", "tvm", "--cpus", "0"), "--cpus pins our threads"),
        ((*RPC, "--target", "opencl"), "--rpc times CPUs; --target opencl"),
        ((*RPC, "--target", "jetson-orin"), "--rpc times CPUs; --target jetson-orin"),
    ],
)
def test_options_that_do_not_go_together(tiny: Path, options: tuple[str, ...], words: str) -> None:
    outcome = mbc("bench", tiny, *options)
    assert (outcome.status, outcome.code) == (1, "E0106")
    assert words in outcome.err


@pytest.mark.parametrize(
    "text", ["", "board", "board:", ":9190", "board:0", "board:65536", "board:x", "::1:9", "a b:1"]
)
def test_addresses_that_are_none(tiny: Path, text: str) -> None:
    outcome = mbc("bench", tiny, "--backend", "tvm", f"--rpc={text}")
    assert (outcome.status, outcome.code) == (1, "E0108")
    assert f"HOST:PORT, found '{text}'" in outcome.err


@pytest.mark.parametrize("package", ["psutil", "cloudpickle"])
def test_packages_that_rpc_needs(tiny: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    require.rpc.cache_clear()
    outcome = mbc("bench", tiny, *RPC)
    assert (outcome.status, outcome.code) == (1, "E0610")
    assert f"the Python package {package} is not installed" in outcome.err
    assert "pip install 'mbc[tvm]'" in outcome.err
