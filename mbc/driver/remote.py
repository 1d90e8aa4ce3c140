"""Time a network on a device of TVM's RPC, and compare its results with the oracle's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from mbc.runtime.abi import IoSpec, interface_of
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


def keys_at(tracker: Address) -> list[str]:
    """List the keys of a tracker's devices; raises E0630."""
    with Tracker(tracker) as asked:
        return asked.keys()


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
        job = make_job(compiled, folder / f"{compiled.source.net}.so", observer)
        observer.step(f"waiting for a device '{key}'")
        loan = tracker.borrow(key, remote.timeout)
        return job.run(contest, remote, loan, observer)


def make_job(compiled: Compiled, library: Path, observer: Observer) -> Job:
    """Write a network's module, and evaluate what a device must answer."""
    write_module(compiled, library, choose_toolchain(), observer)
    observer.step("evaluating the reference")
    specs = interface_of(compiled.graph)
    inputs = reference.seeded_inputs(specs[0], reference.SEED)
    answer = run_with_ties(compiled.source.graph, inputs)
    return Job(compiled.target, compiled.source.totals.macs, specs, library, inputs, answer)


@dataclass(frozen=True)
class Job:
    """The work on a device, prepared before it is borrowed: others may wait for it."""

    target: Target
    macs: int
    specs: tuple[tuple[IoSpec, ...], tuple[IoSpec, ...]]
    """Inputs and outputs."""
    library: Path
    inputs: Mapping[str, Any]
    answer: Mapping[str, Any]

    def run(
        self,
        contest: Contest,
        remote: Remote,
        loan: Loan,
        observer: Observer,
        between: Callable[[], None] | None = None,
    ) -> RemoteResult:
        """Run it on a device; `between` is called between calls, and may raise."""
        target, threads = self.target, contest.team.threads
        observer.step(f"uploading to {loan.key} at {loan.address}")
        made_for = f"{target.name} ({target.cpu})"
        with (
            open_session(loan, remote.timeout, made_for) as session,
            uploaded(session, self.library) as name,
        ):
            net = RemoteNet(session, name, *self.specs, threads, between)
            errors = self._errors(net, loan)
            observer.step(f"running {contest.rounds} rounds on {loan.key}")
            net.time(WARM_UP_ROUNDS)
            times = Times(net.time(contest.rounds))
        return RemoteResult(self.macs, threads, target, remote.tracker, loan, times, errors)

    def _errors(self, net: RemoteNet, loan: Loan) -> dict[str, Difference]:
        found = net(self.inputs)
        errors = {name: difference(found[name], wanted) for name, wanted in self.answer.items()}
        far = {name: far for name, far in errors.items() if not far.error <= reference.TOLERANCE}
        if far:
            raise MbcError(*(_wrong(loan, name, error) for name, error in far.items()))
        return errors


def _wrong(loan: Loan, output: str, far: Difference) -> Diagnostic:
    return Diagnostic(
        "E0635",
        f"the device '{loan.key}' at {loan.address} computes something else: {output} has a "
        f"relative error of {far}, at most {reference.TOLERANCE:g} is right",
    )
