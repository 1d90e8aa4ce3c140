"""Sessions on a device of an RPC tracker: upload, load, run and time NET.so.

TVM's client waits without end for a device that has silently gone. So a watchdog shuts the
connection down when the session's time is over, which ends every wait on it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Any

import numpy as np

from mbc.backends.tvm.require import psutil, rpc, tvm
from mbc.backends.tvm.rpc.tracker import Address, Loan
from mbc.backends.tvm.vm import ALL_CORES
from mbc.diag import MbcError, error
from mbc.runtime.abi import IoSpec

GRACE = 5.0
"""Seconds after the end of a session that a device has to close it by itself."""

CALL = 1.0
"""Longest seconds of a call. Ctrl-C waits for its end, since TVM's server in Python does not
survive a connection that ends during a call."""


class RemoteNet:
    """NET.so in TVM's virtual machine on the CPU of a device, on so many threads. `between` is
    called between the calls that time it, and may raise."""

    _between: Callable[[], None] | None = None

    def __init__(
        self,
        session: Any,
        name: str,
        inputs: tuple[IoSpec, ...],
        outputs: tuple[IoSpec, ...],
        threads: int = 1,
        between: Callable[[], None] | None = None,
    ) -> None:
        self._between = between
        self._inputs, self._outputs = inputs, outputs
        self._device = session.cpu(0)
        module = session.load_module(name)
        session.get_function("runtime.config_threadpool")(ALL_CORES, threads)
        _check_threads(session.get_function("runtime.NumThreads")(), threads)
        self._machine = tvm().relax.VirtualMachine(module, self._device)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network on dense float32 tensors by input name; returns the outputs by name."""
        arrays = (np.ascontiguousarray(inputs[spec.name], np.float32) for spec in self._inputs)
        given = [tvm().runtime.tensor(array, self._device) for array in arrays]
        self._machine.set_input("main", *given)
        self._machine.invoke_stateful("main")
        result = self._machine.get_outputs("main")
        found = [result] if len(self._outputs) == 1 else list(result)
        return {spec.name: array.numpy() for spec, array in zip(self._outputs, found, strict=True)}

    def time(self, rounds: int) -> tuple[float, ...]:
        """Time rounds on the inputs of the last call; returns seconds by the device's own clock."""
        seconds, fitting = list[float](), 1
        while len(seconds) < rounds:
            if self._between:
                self._between()
            latest = self._timed(min(fitting, rounds - len(seconds)))
            fitting = max(1, int(CALL / max(*latest, 1e-6)))
            seconds += latest
        return tuple(seconds)

    def _timed(self, rounds: int) -> tuple[float, ...]:
        """Time rounds in one call, after one that is not timed."""
        machine, device = self._machine, self._device
        evaluator = machine.time_evaluator("invoke_stateful", device, number=1, repeat=rounds)
        return tuple(evaluator("main").results)


def _check_threads(granted: int, wanted: int) -> None:
    """Raise E0606 if TVM on the device, whose threads exist already, has fewer than wanted."""
    if granted < wanted:
        helps = [f"start its rpc_server with TVM_NUM_THREADS={wanted}"]
        message = f"TVM on the device computes on {granted} at most, not on {wanted} threads"
        raise error("E0606", message, helps=helps)


@contextmanager
def open_session(loan: Loan, seconds: int, made_for: str) -> Iterator[Any]:
    """Open a session of so many seconds on a device.

    Raises E0633 if the device refuses something in the block, and E0634 if it cannot be reached, is
    gone, or the time is over. `made_for` names the code's target."""
    start, address = monotonic(), loan.address
    watchdog = Timer(seconds + GRACE, cut, (address,))
    watchdog.daemon = True
    watchdog.start()
    try:
        session = _connect(loan, seconds)
        yield session  # which ends when nobody holds it
    except MbcError:
        raise
    except Exception as problem:
        if monotonic() - start >= seconds:  # it says so between two answers: any error may follow
            raise _too_late(loan, seconds) from problem
        if isinstance(problem, RuntimeError):
            raise _failed(loan, made_for, problem) from problem
        raise
    finally:
        watchdog.cancel()
        cut(address)  # some of TVM's objects may live on, and the session with them


def _connect(loan: Loan, seconds: int) -> Any:
    host, port = loan.address.host, loan.address.port
    try:
        return rpc().connect(host, port, loan.ticket, seconds)
    except RuntimeError as problem:
        helps = ["the tracker names the address; rpc_server --custom-addr gives it another"]
        raise error("E0634", f"cannot reach {_who(loan)}", helps=helps) from problem


@contextmanager
def uploaded(session: Any, library: Path) -> Iterator[str]:
    """Upload a file for the duration of the block; yields its name on the device."""
    try:
        session.upload(bytearray(library.read_bytes()), library.name)
        yield library.name
    finally:
        with suppress(RuntimeError):  # where the device is gone, nothing can be removed
            session.remove(library.name)


def cut(address: Address) -> None:
    """Shut down this process's connections to an address, which ends every wait on them."""
    with suppress(OSError):
        found = socket.getaddrinfo(address.host, address.port, proto=socket.IPPROTO_TCP)
        ends = {entry[4][:2] for entry in found}
        for connection in psutil().Process().net_connections("tcp"):
            if connection.raddr in ends:
                _shut_down(connection.fd)


def _shut_down(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def _too_late(loan: Loan, seconds: int) -> MbcError:
    helps = ["--timeout gives it longer, --rounds less to do"]
    return error("E0634", f"{_who(loan)} was not done in {seconds} s", helps=helps)


def _failed(loan: Loan, made_for: str, problem: RuntimeError) -> MbcError:
    """Return E0633 for an RPCError, which the device reports; E0634 for a failed connection."""
    helps = [f"the code is for {made_for}; --target and --mcpu name the device's CPU"]
    if not isinstance(problem, tvm().error.RPCError):
        return error("E0634", f"{_who(loan)} has died, or its network", helps=helps)
    told = str(problem).strip().splitlines()[-1]
    return error("E0633", f"{_who(loan)} says: {told}", helps=helps)


def _who(loan: Loan) -> str:
    return f"the device '{loan.key}' at {loan.address}"
