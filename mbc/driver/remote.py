"""Time a network on a device of TVM's RPC, and compare its results with the oracle's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mbc.accuracy import Difference, difference
from mbc.backends.llvm.toolchain import choose_toolchain
from mbc.backends.tvm.rpc.remote import RemoteNet, open_session, uploaded
from mbc.backends.tvm.rpc.tracker import Address, Loan, Tracker, parse_address
from mbc.diag import Diagnostic, MbcError, error
from mbc.driver.bench import WARM_UP_ROUNDS, Contest
from mbc.driver.producers.producer import Compiled
from mbc.driver.producers.tvm import write_module
from mbc.driver.request import Observer
from mbc.driver.rounds import Times
from mbc.files import scratch_folder
from mbc.interp.ties import run_with_ties
from mbc.records import dataclass
from mbc.runtime import reference
from mbc.runtime.abi import interface_of
from mbc.targets.target import Target

TIMEOUT = 300


@dataclass(frozen=True)
class Remote:
    """A device of an RPC tracker."""

    tracker: Address
    key: str | None = None
    """Key of the device; None for the only one."""
    timeout: int = TIMEOUT
    """Limit, in seconds, for waiting for the device, and again for using it."""

    @staticmethod
    def at(tracker: str, key: str | None = None, timeout: int | None = None) -> Remote:
        """Name the device of a tracker at HOST:PORT; E0108 for anything else."""
        return Remote(parse_address(tracker), key, timeout or TIMEOUT)


@dataclass(frozen=True)
class RemoteResult:
    """Times on a device, and the relative error of each output."""

    macs: int
    """Multiply-adds of the network as written."""
    threads: int
    target: Target
    tracker: Address
    loan: Loan
    times: Times
    errors: Mapping[str, Difference]

    @property
    def gflops(self) -> float:
        """Two operations a multiply-add of conv and dense layers, over the fastest round."""
        return self.times.gflops(self.macs)

    def to_json(self) -> dict[str, Any]:
        """Return the output of `mbc bench --rpc --json` (docs/cli.md)."""
        target, times = self.target, self.times
        return {
            "backend": "tvm",
            "mbc": {
                "ms_min": times.ms_min,
                "ms_median": times.ms_median,
                "gflops": self.gflops,
            },
            "target": {"name": target.name, "triple": target.triple, "cpu": target.cpu},
            "rpc": {
                "tracker": str(self.tracker),
                "key": self.loan.key,
                "device": str(self.loan.address),
            },
            "errors": {name: found.error for name, found in self.errors.items()},
            "tolerance": reference.TOLERANCE,
            "rounds": len(times.seconds),
            "threads": self.threads,
        }


def check_remote_target(target: Target) -> None:
    """Raise E0106 for GPUs."""
    if target.gpu is not None:
        helps = ["run.py --repeat, which mbc compile writes, times a GPU of the machine it is on"]
        message = f"--rpc times CPUs; --target {target.name} with --backend tvm means a GPU"
        raise error("E0106", message, helps=helps)


def bench_remote(
    compiled: Compiled, contest: Contest, remote: Remote, observer: Observer
) -> RemoteResult:
    """Time a network on a device, if it answers as the oracle does (else E0635). Raises E0610 for
    missing packages, E0630 to E0632 where the tracker lends no device, E0606, E0633 and E0634 for
    what goes wrong on it."""
    observer.step(f"asking the RPC tracker at {remote.tracker}")
    with Tracker(remote.tracker) as tracker, scratch_folder() as folder:
        key = tracker.choose(remote.key)
        library = folder / f"{compiled.source.net}.so"
        write_module(compiled, library, choose_toolchain(), observer)
        job = _job(compiled, library, contest, observer)
        observer.step(f"waiting for a device '{key}'")
        loan = tracker.borrow(key, remote.timeout)
        return job.run(remote, loan, observer)


@dataclass(frozen=True)
class _Job:
    """The work on a device, prepared before it is borrowed: others may wait for it."""

    compiled: Compiled
    library: Path
    contest: Contest
    inputs: Mapping[str, Any]
    answer: Mapping[str, Any]

    def run(self, remote: Remote, loan: Loan, observer: Observer) -> RemoteResult:
        target, threads = self.compiled.target, self.contest.team.threads
        observer.step(f"uploading to {loan.key} at {loan.address}")
        made_for = f"{target.name} ({target.cpu})"
        with (
            open_session(loan, remote.timeout, made_for) as session,
            uploaded(session, self.library) as name,
        ):
            net = RemoteNet(session, name, *interface_of(self.compiled.graph), threads)
            errors = self._errors(net, loan)
            observer.step(f"running {self.contest.rounds} rounds on {loan.key}")
            net.time(WARM_UP_ROUNDS)
            times = Times(net.time(self.contest.rounds))
        macs = self.compiled.source.totals.macs
        return RemoteResult(macs, threads, target, remote.tracker, loan, times, errors)

    def _errors(self, net: RemoteNet, loan: Loan) -> dict[str, Difference]:
        found = net(self.inputs)
        errors = {name: difference(found[name], wanted) for name, wanted in self.answer.items()}
        far = {name: far for name, far in errors.items() if not far.error <= reference.TOLERANCE}
        if far:
            raise MbcError(*(_wrong(loan, name, error) for name, error in far.items()))
        return errors


def _job(compiled: Compiled, library: Path, contest: Contest, observer: Observer) -> _Job:
    observer.step("evaluating the reference")
    specs, _ = interface_of(compiled.graph)
    inputs = reference.seeded_inputs(specs, reference.SEED)
    answer = run_with_ties(compiled.source.graph, inputs)
    return _Job(compiled, library, contest, inputs, answer)


def _wrong(loan: Loan, output: str, far: Difference) -> Diagnostic:
    return Diagnostic(
        "E0635",
        f"the device '{loan.key}' at {loan.address} computes something else: {output} has a "
        f"relative error of {far}, at most {reference.TOLERANCE:g} is right",
    )
