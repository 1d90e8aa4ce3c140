"""Points measured on boards: on all at once that a tracker lends. What a lost board was at is done
by another one.

A thread for each board borrows it, takes a point, and gives it back. Nobody holds a point while it
waits for a board, since the board may never come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from threading import Condition, Event, Thread
from time import monotonic

from mbc.backends.tvm.rpc.remote import open_session
from mbc.backends.tvm.rpc.tracker import Loan, Tracker
from mbc.diag import MbcError
from mbc.driver.bench import Contest
from mbc.driver.remote import Job, Remote, RemoteResult
from mbc.driver.request import Silent
from mbc.driver.sweep.work import failure_of
from mbc.records import dataclass
from mbc.report.sweep.axes import Point
from mbc.report.sweep.rows import Failure

SLICE = 1.0
"""Seconds that a board is waited for at a time, before the thread looks whether there is work."""
LOST, NONE_FREE = "E0634", "E0632"
MOST_TRIES = 3
"""Boards that may be lost with one point: it may be the point's fault."""
PARTING = 10.0
"""Seconds in which threads end that are amid a call."""


class StoppedError(Exception):
    """The sweep is interrupted."""


@dataclass(frozen=True)
class Errand:
    """A point on its way to a board."""

    point: Point
    job: Job
    tries: int = 0


Outcome = tuple[Point, "RemoteResult | Failure"]


class Queue:
    """The errands for the boards of one key, and those under way."""

    def __init__(self, errands: Sequence[Errand]) -> None:
        self._waiting = deque(errands)
        self._under_way = 0
        self._changed = Condition()

    def wait(self, seconds: float) -> bool:
        """Wait so long for an errand at most; False when all are done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._under_way, seconds)
            return bool(self._waiting or self._under_way)

    def take(self) -> Errand | None:
        """Take the next errand, if one waits."""
        with self._changed:
            if not self._waiting:
                return None
            self._under_way += 1
            return self._waiting.popleft()

    def done(self, again: Errand | None = None) -> None:
        """Note that an errand is done, or is to be done again."""
        with self._changed:
            self._under_way -= 1
            if again is not None:
                self._waiting.append(again)
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether none waits."""
        return not self._waiting


class Fleet:
    """The boards of one key."""

    def __init__(self, remote: Remote, errands: Sequence[Errand], contest: Contest) -> None:
        self._remote, self._contest = remote, contest
        self._errands, self._stop = Queue(errands), Event()
        self._found = SimpleQueue[Outcome | BaseException | None]()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Start a thread for each board that the tracker knows; raises E0630, E0631."""
        with Tracker(self._remote.tracker) as tracker:
            count = tracker.count(tracker.choose(self._remote.key))
        self._threads = [Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what comes of each errand, as it comes."""
        serving = len(self._threads)
        while serving:
            match self._found.get():
                case None:
                    serving -= 1
                case BaseException() as problem:
                    raise problem
                case outcome:
                    yield outcome
        while left := self._errands.take():
            yield left.point, self._nobody()

    def stop(self) -> None:
        """Have the threads end, each after the call it is at."""
        self._stop.set()
        deadline = monotonic() + PARTING
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _serve(self) -> None:
        try:
            while not self._stop.is_set() and self._errands.wait(SLICE):
                if not self._errands.idle and not self._next():
                    break
            self._found.put(None)
        except StoppedError:
            self._found.put(None)
        except BaseException as problem:  # noqa: BLE001  the main thread raises it
            self._found.put(problem)

    def _next(self) -> bool:
        """Borrow a board and do an errand; False where no board comes in time."""
        try:
            loan = self._borrowed()
        except MbcError as problem:
            if self._stop.is_set() or problem.diagnostics[0].code == NONE_FREE:
                return False
            raise
        if loan is not None:
            self._do(loan)
        return True

    def _borrowed(self) -> Loan | None:
        """Borrow a board; None when no errand waits any more. Raises E0632 after the time-out."""
        deadline = monotonic() + self._remote.timeout
        while not self._stop.is_set() and not self._errands.idle:
            try:
                with Tracker(self._remote.tracker) as tracker:
                    return tracker.borrow(tracker.choose(self._remote.key), SLICE)
            except MbcError as problem:
                if problem.diagnostics[0].code != NONE_FREE or monotonic() > deadline:
                    raise
        return None

    def _do(self, loan: Loan) -> None:
        errand = self._errands.take()
        if errand is None:
            with suppress(MbcError), open_session(loan, int(PARTING), ""):
                return  # gives it back
            return
        again: Errand | None = None
        outcome: RemoteResult | Failure | None = None
        try:
            outcome = errand.job.run(self._contest, self._remote, loan, Silent(), self._go_on)
        except MbcError as problem:
            lost = problem.diagnostics[0].code == LOST
            if lost and errand.tries + 1 < MOST_TRIES:
                again = replace(errand, tries=errand.tries + 1)
            else:
                outcome = failure_of(problem)
        finally:
            self._errands.done(again)
        if outcome is not None:
            self._found.put((errand.point, outcome))

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise StoppedError

    def _nobody(self) -> Failure:
        key = self._remote.key
        message = f"no device '{key}' became free in {self._remote.timeout} s"
        return Failure(NONE_FREE, message, refused=False)


def measure_on_boards(
    errands: Sequence[tuple[Remote, Errand]], contest: Contest
) -> Iterator[Outcome]:
    """Measure points on boards, one target's after the other's, each on all its boards at once."""
    for remote in dict.fromkeys(remote for remote, _ in errands):
        fleet = Fleet(remote, [errand for owner, errand in errands if owner == remote], contest)
        try:
            fleet.start()
            yield from fleet.outcomes()
        finally:
            fleet.stop()
