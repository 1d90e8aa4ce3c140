"""Time a network in this process, compiled by mbc or run by TVM, with other engines and the
limit of the machine.

The limit is the peak of multiply-adds of one core, measured between the rounds, so that all are
timed at the same clock and beside the same other processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from mbc.backends.llvm.peak import PeakMeter
from mbc.driver.net import ALONE
from mbc.driver.pipeline import on_codes
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import LLVM, Observer, Request
from mbc.driver.rivals import ROUNDED, TOLERANCE, check_answers, check_codes, open_rivals
from mbc.driver.rounds import Run, Times, stdout_on_stderr, take_turns
from mbc.engines.catalogue import version
from mbc.files import scratch_folder
from mbc.ir.graph import Graph
from mbc.records import dataclass
from mbc.runtime import reference
from mbc.runtime.abi import interface_of
from mbc.runtime.pool import Team
from mbc.runtime.timing import FMA

WARM_UP_ROUNDS = 3


@contextmanager
def roaming(team: Team) -> Iterator[None]:
    """Let this thread, which is pinned to the first CPU of a team, run on all of them: threads
    started in the block inherit its CPUs, and would otherwise share one."""
    if team.cpus is None:
        yield
        return
    os.sched_setaffinity(0, team.cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, team.cpus[:1])


@dataclass(frozen=True)
class BenchResult:
    """Times of mbc and of other engines in the same rounds."""

    macs: int
    """Multiply-adds of the network as written."""
    threads: int
    peak_gflops: float
    """The highest peak of one core that was measured between the rounds."""
    ours: Times
    engines: Mapping[str, Times]
    backend: str = LLVM
    """Value of `--backend`."""
    peak: str = FMA
    """What the peak is of: FMA, or of networks on codes int8."""

    def gflops(self, times: Times) -> float:
        """Two operations a multiply-add of conv and dense layers, over the fastest round."""
        return times.gflops(self.macs)

    def peak_fraction(self, times: Times) -> float:
        """Share of the peak of as many cores as there are threads, 0 to 1."""
        return self.gflops(times) / (self.threads * self.peak_gflops)

    @property
    def ratios(self) -> dict[str, float]:
        """Slowdown of each engine against mbc: the median of the rounds."""
        return {name: times.ratio(self.ours) for name, times in self.engines.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the output of `mbc bench --json` (docs/cli.md)."""
        engines = self.engines.items()
        return {
            "backend": self.backend,
            "mbc": self._figures(self.ours),
            "engines": {
                name: {"version": version(name), **self._figures(t)} for name, t in engines
            },
            "ratio": self.ratios,
            "peak": self.peak,
            "peak_gflops": self.peak_gflops,
            "rounds": len(self.ours.seconds),
            "threads": self.threads,
        }

    def _figures(self, times: Times) -> dict[str, float]:
        return {
            "ms_min": times.ms_min,
            "ms_median": times.ms_median,
            "gflops": self.gflops(times),
            "peak_fraction": self.peak_fraction(times),
        }


@dataclass(frozen=True)
class Contest:
    """The conditions under which a network is timed."""

    rounds: int
    team: Team = ALONE
    engines: tuple[str, ...] = ()
    """Names of `ENGINES`, to be timed in turns with it."""
    request: Request | None = None
    """What the network was made of, which engines get if it is quantised itself."""


def bench(compiled: Compiled, contest: Contest, observer: Observer) -> BenchResult:
    """Time a network on random input, the peak and other engines in turns with it. Raises E0610 to
    E0613 for engines or TVM that are missing, fail, or give other answers."""
    engine = compiled.producer.engine(compiled, contest.team, observer)
    inputs = reference.seeded_inputs(interface_of(compiled.graph)[0], reference.SEED)
    contestants: dict[str, Run] = {"mbc": engine.inference(inputs)}
    meter = PeakMeter(compiled.target, compiled.quantisation)
    peaks = list[float]()
    with ExitStack() as stack:
        if contest.engines:
            stack.enter_context(stdout_on_stderr())
            answers = [*engine(inputs).values()]
            task = _Task.of(compiled, contest.request, [*inputs.values()], answers)
            contestants |= _rivals(task, contest, stack, observer)
        observer.step(f"running {contest.rounds} rounds")
        for run in contestants.values():
            for _ in range(WARM_UP_ROUNDS):
                run()
        restless = set[str]()
        times = take_turns(
            contestants, contest.rounds, lambda: peaks.append(meter.measure()), restless.add
        )
    for name in sorted(restless):
        observer.note(f"warning: threads of {name} do not sleep between runs, and slow down others")
    ours, macs, threads = times.pop("mbc"), compiled.source.totals.macs, contest.team.threads
    name = compiled.producer.name
    return BenchResult(macs, threads, max(peaks), ours, times, name, meter.kind)


@dataclass(frozen=True)
class _Task:
    """A network as written or, by `--quantize`, on codes, its inputs, and the answers of mbc."""

    graph: Graph
    inputs: Sequence[np.ndarray]
    answers: Sequence[np.ndarray]
    own: Request | None = None
    """What engines get in place of the graph."""
    rounded: bool = False
    """Whether engines round to codes."""

    @staticmethod
    def of(
        compiled: Compiled,
        request: Request | None,
        inputs: Sequence[np.ndarray],
        answers: Sequence[np.ndarray],
    ) -> _Task:
        """Return what engines are to compute."""
        source = compiled.source
        if source.quantisation is not None:
            return _Task(source.graph, inputs, answers, request, rounded=True)
        if compiled.quantisation is None:
            return _Task(source.graph, inputs, answers)
        graph = on_codes(source.graph, compiled.quantisation)
        return _Task(graph, inputs, answers, rounded=True)


def _rivals(task: _Task, contest: Contest, stack: ExitStack, observer: Observer) -> dict[str, Run]:
    """Open the other engines, and compare their answers on the same tensors."""
    if task.rounded:
        check_codes(contest.engines)
    folder = stack.enter_context(scratch_folder())
    with roaming(contest.team):
        sessions = open_rivals(
            contest.engines,
            task.graph,
            task.inputs,
            contest.team.threads,
            folder,
            observer,
            task.own,
        )
    check_answers(sessions, task.answers, ROUNDED if task.rounded else TOLERANCE)
    return {name: session.run for name, session in sessions.items()}
