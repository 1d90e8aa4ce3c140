"""A sweep from its plan to its rows: points are compiled side by side, and measured after that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mbc.diag import MbcError
from mbc.driver.bench import bench
from mbc.driver.clock import measured_mhz
from mbc.driver.request import Observer, Silent
from mbc.driver.sweep.plan import Plan
from mbc.driver.sweep.processes import performed
from mbc.driver.sweep.results import Header, Results
from mbc.driver.sweep.work import Found, Task, compiled, failure_of
from mbc.files import scratch_folder
from mbc.report.sweep.axes import Point
from mbc.report.sweep.rows import Failure, Row
from mbc.report.sweep.where import meets
from mbc.targets.catalogue import NATIVE
from mbc.targets.target import Target

HERE = "here"


class Sweep:
    """A sweep under way; `rows` are those of the points in the order of the plan."""

    def __init__(self, plan: Plan) -> None:
        """Begin the file of results, or read what it has; raises E0116, E0701, E0703."""
        self._plan, wishes = plan, plan.wishes
        self._results = Results(wishes.results, plan.points)
        self._mhz_here: float | None = None
        if wishes.resume:
            self._mhz_here = self._results.resume(plan.settings).mhz
        if self._mhz_here is None and NATIVE in plan.targets:
            self._mhz_here = measured_mhz(plan.targets[NATIVE])
        if not wishes.resume:
            self._results.begin(Header(plan.settings, self._mhz_here))

    @property
    def pieces(self) -> int:
        """How many steps are left, at most."""
        tasks = sum(1 for _ in (*self._sizes(), *self._accuracies()))
        modules = sum(1 for point in self._unmeasured() if point.target in self._plan.wishes.boards)
        return tasks + modules + len(self._unmeasured())

    def rows(self, observer: Observer) -> list[Row]:
        """Do what is left, and return the rows that meet the conditions."""
        try:
            with scratch_folder() as folder:
                self._perform(list(self._sizes()), folder, observer)
                self._perform(list(self._accuracies()), folder, observer)
                self._on_boards(folder, observer)
                self._here(observer)
        finally:
            self._results.close()
        return [row for row in self._all() if meets(row, self._plan.conditions)]

    def _all(self) -> Iterable[Row]:
        return self._results.rows.values()

    def _unmeasured(self) -> list[Point]:
        """List the points to measure."""
        if not self._plan.wishes.measure:
            return []
        return [
            point
            for point in self._lacking("measured")
            if point.target == NATIVE or point.target in self._plan.wishes.boards
        ]

    def _lacking(self, column: str) -> list[Point]:
        """List the points without a figure, as far as conditions are known to hold."""
        return [
            row.point
            for row in self._all()
            if row.failure is None
            and column not in row.figures
            and meets(row, self._plan.conditions, so_far=True)
        ]

    # ---- compile -----------------------------------------------------------------------------

    def _perform(self, tasks: list[Task], folder: Path, observer: Observer) -> list[Found]:
        found = list[Found]()
        for one in performed(tasks, self._plan.wishes.jobs, folder):
            for point in one.points:
                if one.failure is not None:
                    self._results.put(point, failure=one.failure)
                elif one.figures:
                    self._results.put(point, figures=dict(one.figures))
            found.append(one)
            done = "classified photos by" if "accuracy" in one.figures else "compiled"
            observer.step(f"{done} {one.points[0]}")
        return found

    def _sizes(self) -> Iterator[Task]:
        """Yield a task for each point, or put down why it has none."""
        for point in self._lacking("macs"):
            try:
                request = self._plan.request_of(point)
            except MbcError as problem:
                self._results.put(point, failure=failure_of(problem))
                continue
            yield Task((point,), request, self._mhz(self._plan.targets[point.target]))

    def _mhz(self, target: Target) -> float | None:
        """Return the clock by which cycles of a target are milliseconds."""
        if target.board is not None:
            return target.board.cores[0].mhz
        return self._mhz_here if target.name == NATIVE else None

    def _accuracies(self) -> Iterator[Task]:
        """Yield a task for each network, which is right as often on every target."""
        if self._plan.wishes.photos is None:
            return
        networks = dict[tuple[tuple[str, str], ...], list[Point]]()
        for point in self._lacking("accuracy"):
            networks.setdefault(point.parameters, []).append(point)
        for points in networks.values():
            request = self._plan.request_of(points[0])
            yield Task(tuple(points), request, photos=self._plan.wishes.photos)

    # ---- measure -----------------------------------------------------------------------------

    def _on_boards(self, folder: Path, observer: Observer) -> None:
        """Measure on boards what is to be measured there."""
        boards = self._plan.wishes.boards
        wanted = [point for point in self._unmeasured() if point.target in boards]
        if not wanted:
            return
        from mbc.driver.sweep.boards import Errand, measure_on_boards  # imports what TVM needs

        tasks = [
            Task((point,), self._plan.request_of(point), module=folder / f"{number}.so")
            for number, point in enumerate(wanted)
        ]
        errands = [
            (boards[found.points[0].target], Errand(found.points[0], found.job))
            for found in self._perform(tasks, folder, observer)
            if found.job is not None
        ]
        for point, outcome in measure_on_boards(errands, self._plan.wishes.contest):
            if isinstance(outcome, Failure):
                self._results.put(point, failure=outcome)
            else:
                where = f"{outcome.loan.key} at {outcome.loan.address}"
                self._measured(point, outcome.times.ms_min, outcome.times.ms_median, where)
            observer.step(f"measured {point}")

    def _here(self, observer: Observer) -> None:
        """Measure in this process what is for this machine."""
        for point in self._unmeasured():
            if point.target in self._plan.wishes.boards:
                continue
            network = compiled(self._plan.request_of(point))
            times = bench(network, self._plan.wishes.contest, Silent()).ours
            self._measured(point, times.ms_min, times.ms_median, HERE)
            observer.step(f"measured {point}")

    def _measured(self, point: Point, least: float, median: float, where: str) -> None:
        figures = {"measured": least}
        self._results.put(point, figures=figures, median_ms=median, measured_on=where)
