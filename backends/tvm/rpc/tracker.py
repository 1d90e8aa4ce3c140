"""A client of TVM's RPC tracker: lists devices and requests one.

TVM's own client retries for a minute to reach a tracker, and waits for a device without end, even
for one that does not exist. This one has the same protocol (tvm/rpc/tracker.py) with time limits.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from mbc.backends.tvm.require import rpc
from mbc.diag import error, nearest
from mbc.records import dataclass

PATIENCE = 10.0
"""Seconds in which a tracker must answer."""


@dataclass(frozen=True)
class Address:
    """The address of a tracker or a device."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Loan:
    """A device that a tracker has assigned to this process until its session ends."""

    key: str
    address: Address
    ticket: str
    """The password of the session."""


def parse_address(text: str) -> Address:
    """Parse HOST:PORT, with an IPv6 address in brackets. Raises E0108 for anything else."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+)):([0-9]{1,5})", text)
    if found is None or not 0 < int(found[3]) < 1 << 16:
        helps = ["such as 192.168.0.10:9190, or [::1]:9190"]
        raise error("E0108", f"an RPC tracker is named as HOST:PORT, found '{text}'", helps=helps)
    return Address(found[1] or found[2], int(found[3]))


class Tracker:
    """A connection to an RPC tracker; E0630 whenever it does not answer as one."""

    def __init__(self, address: Address) -> None:
        self._address, self._base = address, rpc().base
        with self._listening():
            self._socket = socket.create_connection((address.host, address.port), PATIENCE)
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: object, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, which cancels a pending request."""
        self._socket.close()

    def choose(self, key: str | None) -> str:
        """Return the key if a device has it; without one, that of the only device. Raises E0631."""
        known = self.keys()
        if key in known:
            return key
        if not known:
            helps = ["python -m tvm.exec.rpc_server --tracker HOST:PORT --key KEY, on the board"]
            raise error("E0631", f"the RPC tracker at {self._address} has no devices", helps=helps)
        if key is None and len(known) == 1:
            return known[0]
        listed = f"the tracker at {self._address} has {', '.join(known)}"
        if key is None:
            raise error("E0631", "--key does not say which device", helps=[listed])
        helps = [*nearest(key, known), listed]
        raise error("E0631", f"the RPC tracker has no device '{key}'", helps=helps)

    def borrow(self, key: str, seconds: float) -> Loan:
        """Wait for a free device with a key. Raises E0632 after so many seconds."""
        try:
            with self._listening(waiting=True):
                self._socket.settimeout(seconds)
                host, port, ticket = self._ask([self._base.TrackerCode.REQUEST, key, "", 1])
                return Loan(key, Address(host, port), ticket)
        except TimeoutError:
            raise error(
                "E0632",
                f"no device '{key}' became free in {seconds:g} s",
                helps=["--timeout waits longer", "python -m tvm.exec.query_rpc_tracker lists them"],
            ) from None
        finally:
            self._socket.settimeout(PATIENCE)

    def count(self, key: str) -> int:
        """Count the devices with a key, busy or free."""
        return self._listed().count(key)

    def keys(self) -> list[str]:
        """List the keys of all devices, busy or free."""
        return sorted(set(self._listed()))

    def _listed(self) -> list[str]:
        """List the keys of each device.

        A proxy has several: `server:proxy[a,b]`. The tracker's queues do not count: a request for
        any key creates one."""
        with self._listening():
            summary: Mapping[str, Any] = self._ask([self._base.TrackerCode.SUMMARY])
            names = [entry["key"].removeprefix("server:") for entry in summary["server_info"]]
        found = [re.fullmatch(r"proxy\[(.*)\]", name) for name in names]
        several = [m[1].split(",") if m else [name] for m, name in zip(found, names, strict=True)]
        return [key for keys in several for key in keys if key]

    def _greet(self) -> None:
        magic = struct.pack("<i", self._base.RPC_TRACKER_MAGIC)
        with self._listening():
            self._socket.sendall(magic)
            if self._base.recvall(self._socket, len(magic)) != magic:
                raise ValueError("it greets otherwise")

    def _ask(self, question: list[Any]) -> Any:
        self._base.sendjson(self._socket, question)
        status, answer = self._base.recvjson(self._socket)
        if status != self._base.TrackerCode.SUCCESS:
            raise ValueError(f"it answers {status}")
        return answer

    @contextmanager
    def _listening(self, *, waiting: bool = False) -> Iterator[None]:
        """Turn failures into E0630, except a time-out while `waiting`."""
        try:
            yield
        except (OSError, ValueError, TypeError, KeyError) as problem:
            if waiting and isinstance(problem, TimeoutError):
                raise
            raise _silent(self._address, problem) from None


def _silent(address: Address, problem: Exception) -> Exception:
    if not isinstance(problem, OSError):
        return error("E0630", f"what answers at {address} is no RPC tracker of TVM: {problem}")
    late = isinstance(problem, TimeoutError)
    reason = f"no answer in {PATIENCE:g} s" if late else problem.strerror or str(problem)
    helps = [
        f"python -m tvm.exec.rpc_tracker --host 0.0.0.0 --port {address.port} starts one",
    ]
    return error("E0630", f"no RPC tracker answers at {address}: {reason}", helps=helps)
