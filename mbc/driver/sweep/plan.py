"""The plan of a sweep: its points, and the request of each; what makes no sense is told at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from mbc import __version__
from mbc.diag import error, unreadable
from mbc.driver.bench import Contest
from mbc.driver.configuration import resolve_request
from mbc.driver.formats import KINDS
from mbc.driver.remote import Remote
from mbc.driver.request import Request
from mbc.driver.samples import require_labels
from mbc.driver.source import preset_settings, refuse_parameters
from mbc.driver.sweep.weights import weights_for
from mbc.frontends.dsl import load_network
from mbc.records import dataclass
from mbc.report.sweep.axes import Point, points_of, values_of
from mbc.report.sweep.where import Condition, parse_condition
from mbc.runtime.preprocessing import PRESETS, Preprocessing
from mbc.targets.catalogue import NATIVE
from mbc.targets.target import Target


@dataclass(frozen=True)
class Photos:
    """Labelled photos by which accuracy is counted."""

    folder: Path
    most: int | None = None
    preprocessing: Preprocessing = PRESETS["plain"]


@dataclass(frozen=True)
class Wishes:
    """What `mbc sweep` is asked for, beside the network and how it is compiled."""

    targets: tuple[str, ...] = (NATIVE,)
    where: tuple[str, ...] = ()
    weights_dir: Path | None = None
    photos: Photos | None = None
    contest: Contest = field(default_factory=lambda: Contest(100))
    measure: bool = True
    jobs: int = 1
    boards: Mapping[str, Remote] = field(default_factory=dict)
    """The devices on which a target's points are measured."""
    results: Path = Path("sweep.jsonl")
    resume: bool = False


@dataclass(frozen=True)
class Plan:
    """A sweep that makes sense so far."""

    request: Request
    wishes: Wishes
    points: tuple[Point, ...]
    conditions: tuple[Condition, ...]
    targets: Mapping[str, Target]

    def request_of(self, point: Point) -> Request:
        """Return the request of a point. Raises E0417 where no file has its weights."""
        weights = self.request.weights
        if self.wishes.weights_dir is not None:
            weights = weights_for(self.wishes.weights_dir, self._stem, point)
        parameters = dict(point.parameters)
        return replace(self.request, target=point.target, params=parameters, weights=weights)

    @property
    def _stem(self) -> str:
        return self.request.file.stem

    @property
    def settings(self) -> dict[str, Any]:
        """What decides about the figures of a point, for those who come back to a file of
        results."""
        request, wishes = self.request, self.wishes
        asked = {
            "network": request.network,
            "batch": request.batch,
            "seed": request.seed,
            "weights": request.weights or wishes.weights_dir,
            "weights-from": request.weights_from,
            "level": request.level,
            "optimize": request.optimize,
            "fuse": request.fuse,
            "strassen": request.strassen,
            "passes": request.passes,
            "model": request.model,
            "rounds": wishes.contest.rounds,
            "threads": wishes.contest.team.threads,
            "cpus": wishes.contest.team.cpus,
            "photos": wishes.photos,
        }
        settings = {name: str(value) for name, value in asked.items() if value is not None}
        return {"mbc": __version__, "file": _digest(request.file), **settings}


def make_plan(request: Request, wishes: Wishes) -> Plan:
    """Check a sweep and list its points. Raises E0103, E0106, E0110 to E0112, E0114, E0115, E0554,
    and what resolving targets and reading the network's file raise."""
    axes = {name: values_of(name, str(text)) for name, text in request.params.items()}
    conditions = tuple(parse_condition(text, list(axes)) for text in wishes.where)
    targets = {name: _target(request, name) for name in wishes.targets}
    points = points_of(wishes.targets, axes)
    _check_weights(request, wishes)
    _check_parameters(request, points)
    if wishes.photos is not None:
        require_labels(wishes.photos.folder)
    return Plan(request, wishes, tuple(points), conditions, targets)


def _target(request: Request, name: str) -> Target:
    target = resolve_request(replace(request, target=name)).target
    if target.gpu is not None:
        raise error("E0106", f"mbc sweep is about CPUs, and {name} means a GPU")
    return target


def _check_weights(request: Request, wishes: Wishes) -> None:
    if wishes.weights_dir is None:
        if wishes.photos is not None and request.weights is None and request.file.suffix == ".py":
            helps = ["--weights-dir or --weights gives them trained weights"]
            raise error("E0106", "--images counts what random weights get right", helps=helps)
        return
    if request.weights is not None or request.seed is not None:
        given = "--weights" if request.weights is not None else "--seed"
        raise error("E0106", f"--weights-dir and {given} exclude each other")
    if not wishes.weights_dir.is_dir():
        raise error("E0701", f"cannot read {wishes.weights_dir}: it is no folder")


def _check_parameters(request: Request, points: list[Point]) -> None:
    """Raise what is wrong with the words of -D themselves, before anything is compiled."""
    if request.file.suffix != ".py":
        if request.file.suffix in KINDS:
            refuse_parameters(request, KINDS[request.file.suffix])
        return
    network = load_network(request.file, request.network)
    for parameters in dict.fromkeys(point.parameters for point in points):
        own = replace(request, params=dict(parameters))
        network.resolve({**preset_settings(network.name, own), **own.params})


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        raise unreadable(path, problem) from None
