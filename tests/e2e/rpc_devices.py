"""A tracker of TVM's RPC and its devices, as processes of this machine and as threads that lie."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mbc.backends.tvm.rpc.tracker import Address, Tracker
from mbc.diag import MbcError

HOST = "127.0.0.1"
PATIENCE = 120.0  # seconds until a process is up that imports TVM, on a busy machine
TRACKER_MAGIC = struct.pack("<i", 0x2F271)

Process = subprocess.Popen[bytes]


@contextmanager
def process(
    log: Path, module: str, *options: str, threads: int = 1, python: str = sys.executable
) -> Iterator[Process]:
    """`python -m module` in a session of its own: its workers survive it unless all are killed."""
    first = random.randrange(20000, 30000)  # below the ports that the system gives away
    ports = ("--host", HOST, "--port", str(first), "--port-end", str(first + 500))
    settings = {"TVM_USE_RUNTIME_LIB": "1", "TVM_NUM_THREADS": str(threads)}
    with log.open("wb") as file:
        started = subprocess.Popen(
            [python, "-m", module, *ports, *options],
            env={**os.environ, **settings},
            start_new_session=True,
            stdout=file,
            stderr=file,
        )
    try:
        yield started
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


@contextmanager
def tracker(folder: Path) -> Iterator[Address]:
    """A tracker without devices."""
    log = folder / "tracker.log"
    with process(log, "tvm.exec.rpc_tracker") as started:
        (port,) = wait_for(lambda: re.findall(rf"bind to {HOST}:(\d+)", log.read_text()), started)
        yield Address(HOST, int(port))


@contextmanager
def device(
    folder: Path, at: Address, key: str, threads: int = 1, python: str = sys.executable
) -> Iterator[Process]:
    """A device that the tracker knows, by a server that this Python runs."""
    log, module = folder / f"{key}.log", "tvm.exec.rpc_server"
    options = ("--tracker", str(at), "--key", key)
    with process(log, module, *options, threads=threads, python=python) as started:
        wait_for(lambda: has_device(at, key), started)
        yield started


def has_device(at: Address, key: str) -> bool:
    try:
        with Tracker(at) as asked:
            return asked.choose(key) == key
    except MbcError:
        return False


def wait_for(look: Callable[[], Any], started: Process) -> Any:
    """What `look` gives as soon as that is something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and started.poll() is None:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not up: {started.args!r}")


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[Address]:
    """Somebody who does this with the first who connects, and hangs up when that ends."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address(*server.getsockname())
        finally:
            with socket.create_connection(server.getsockname()):
                pass  # where nobody has come
            thread.join(timeout=10)


def silent(connection: socket.socket) -> None:
    """Say nothing until the other goes."""
    while connection.recv(1 << 16):
        pass


def answering(
    *answers: object, then: Callable[[socket.socket], None] = silent
) -> Callable[[socket.socket], None]:
    """A tracker with these answers, one a question, and what it does then."""

    def answer(connection: socket.socket) -> None:
        connection.recv(4)
        connection.sendall(TRACKER_MAGIC)
        for content in answers:
            connection.recv(1 << 16)
            text = json.dumps(content).encode()
            connection.sendall(struct.pack("<i", len(text)) + text)
        then(connection)

    return answer


def summary(*names: str) -> object:
    """A tracker's answer, by the names under which its devices have registered."""
    return [0, {"queue_info": {}, "server_info": [{"key": f"server:{name}"} for name in names]}]
