"""How fast a network runs in this process, by itself or by TVM, beside the machine's own limit and
other engines.

The limit is the FMA peak of one core, measured between the rounds: all then see the same clock and
the same neighbours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.peak import PeakMeter
from mbc.driver.build import lower_graph
from mbc.driver.net import ALONE
from mbc.driver.pipeline import Compiled
from mbc.driver.request import Observer
from mbc.driver.rivals import check_answers, open_rivals
from mbc.driver.rounds import Run, Times, stdout_on_stderr, take_turns
from mbc.driver.tvm import tvm_engine
from mbc.engines.catalogue import version
from mbc.files import scratch_folder
from mbc.runtime import reference
from mbc.runtime.pool import Team

WARM_UP_ROUNDS = 3


@contextmanager
def roaming(team: Team) -> Iterator[None]:
    """Let this thread run on all CPUs of a team whose first one it is pinned to: threads that are
    started in the block inherit that, and would otherwise share one CPU."""
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
    """Times of mbc and of other engines in the same rounds; `peak_gflops` is the highest peak of
    one core that was measured between them. `macs` are of the network as written, `backend` is who
    runs our kernels."""

    macs: int
    threads: int
    peak_gflops: float
    ours: Times
    engines: Mapping[str, Times]
    backend: str = "llvm"

    def gflops(self, times: Times) -> float:
        """Two operations a multiply-add of conv and dense layers, over the fastest round."""
        return times.gflops(self.macs)

    def peak_fraction(self, times: Times) -> float:
        """Share of the peak of as many cores as there are threads, 0 to 1."""
        return self.gflops(times) / (self.threads * self.peak_gflops)

    @property
    def ratios(self) -> dict[str, float]:
        """How many times slower each engine is: the median of the rounds."""
        return {name: times.ratio(self.ours) for name, times in self.engines.items()}

    def to_json(self) -> dict[str, Any]:
        """As `mbc bench --json` prints it (docs/cli.md)."""
        engines = self.engines.items()
        return {
            "backend": self.backend,
            "mbc": self._figures(self.ours),
            "engines": {
                name: {"version": version(name), **self._figures(t)} for name, t in engines
            },
            "ratio": self.ratios,
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
    """How a network is to be timed: `engines` are names of `ENGINES`."""

    rounds: int
    team: Team = ALONE
    engines: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Ours:
    """The network on random inputs, ready to be run; `outputs` runs it too."""

    run: Run
    inputs: Sequence[np.ndarray]
    outputs: Callable[[], Sequence[np.ndarray]]


def _by_itself(compiled: Compiled, team: Team, observer: Observer) -> _Ours:
    lowered = lower_graph(compiled, observer)
    observer.step("generating code")
    net = JitNet(lowered, team.gather())
    tensors, count = net.tensors(), len(compiled.graph.inputs)

    run = net.bound(tensors)

    def outputs() -> Sequence[np.ndarray]:
        run()
        return tensors[count:]

    return _Ours(run, tensors[:count], outputs)


def _by_tvm(compiled: Compiled, team: Team, observer: Observer) -> _Ours:
    net = tvm_engine(compiled, team, observer)
    inputs = reference.seeded_inputs(net.inputs, reference.SEED)
    tensors = [net.tensor(array) for array in inputs.values()]
    return _Ours(
        lambda: net.time_once(tensors), [*inputs.values()], lambda: [*net(inputs).values()]
    )


def bench(compiled: Compiled, contest: Contest, observer: Observer) -> BenchResult:
    """Time a network on random input, the peak and other engines in turns with it. Raises E0610 to
    E0613 for engines or TVM that are missing, fail, or give other answers."""
    ready = (_by_tvm if compiled.tvm else _by_itself)(compiled, contest.team, observer)
    contestants: dict[str, Run] = {"mbc": ready.run}
    meter, peaks = PeakMeter(compiled.target), list[float]()
    with ExitStack() as stack:
        if contest.engines:
            stack.enter_context(stdout_on_stderr())
            contestants |= _rivals(compiled, contest, ready, stack, observer)
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
    backend = "tvm" if compiled.tvm else "llvm"
    return BenchResult(macs, threads, max(peaks), ours, times, backend)


def _rivals(
    compiled: Compiled,
    contest: Contest,
    ready: _Ours,
    stack: ExitStack,
    observer: Observer,
) -> dict[str, Run]:
    """The other engines, which give the same answers on the same tensors."""
    graph, outputs = compiled.source.graph, ready.outputs()
    folder = stack.enter_context(scratch_folder())
    with roaming(contest.team):
        sessions = open_rivals(
            contest.engines, graph, ready.inputs, contest.team.threads, folder, observer
        )
    check_answers(sessions, outputs)
    return {name: session.run for name, session in sessions.items()}
