"""Verification of an output folder: its files against the manifest, the code against the target,
then every artefact that can run against the oracle's answer."""

from __future__ import annotations

from pathlib import Path

from mbc.accuracy import Difference
from mbc.diag import Diagnostic, MbcError, error
from mbc.driver.artifact_runner import ArtifactRunner, Verdict
from mbc.driver.platforms import program_target, toolchain
from mbc.driver.request import Observer
from mbc.files import scratch_folder
from mbc.records import dataclass
from mbc.runtime.bundle import Bundle, check_files, read_bundle
from mbc.targets.catalogue import recorded_target
from mbc.targets.conformance import Contract, Kind, problems
from mbc.targets.target import Target


@dataclass(frozen=True)
class Verification:
    """The verdicts on a folder."""

    verdicts: tuple[Verdict, ...]
    tolerance: float
    """The largest relative error that is accepted."""

    def complain(self) -> None:
        """E0721 for every output that is too far off."""
        far = [
            (verdict, output, found)
            for verdict in self.verdicts
            for output, found in verdict.errors.items()
            if not found.error <= self.tolerance
        ]
        if far:
            raise MbcError(*(Diagnostic("E0721", self._message(*each)) for each in far))

    def _message(self, verdict: Verdict, output: str, found: Difference) -> str:
        return (
            f"{verdict.artefact} computes something else: {output} has a relative error of "
            f"{found}, at most {self.tolerance:g} is right"
        )


def verify(
    folder: Path, *, emulate: bool, cpu: str | None, cc: str | None, observer: Observer
) -> Verification:
    """Check files and code, then run what can be run. Raises E0701, E0713, E0720 for the folder,
    E0726 for code that is for another target, E0722 to E0724 where it cannot be run, E0727 where
    there is nothing to compare with, E0601 for a compiler `cc` that is not there."""
    tools = toolchain(cc)
    bundle = read_bundle(folder)
    observer.step("checking the files")
    check_files(bundle)
    target = _recorded(bundle)
    _check_code(bundle, target)
    with scratch_folder() as scratch:
        runner = ArtifactRunner(bundle, target, scratch, tools, observer, emulate, cpu)
        verdicts = tuple(runner.verdicts())
    if not any(verdict.ran_by for verdict in verdicts):
        raise error(
            "E0724",
            f"{folder} holds nothing that can be run here",
            helps=["compile with --emit exe, or verify it on its own kind of machine"],
        )
    return Verification(verdicts, bundle.tolerance)


def _recorded(bundle: Bundle) -> Target:
    """Find the target that a manifest records; E0713 for one that mbc does not know."""
    target = recorded_target(bundle.target, bundle.triple, bundle.cpu, bundle.features)
    if target is None:
        message = f"{bundle.folder}: unknown target triple {bundle.triple} in the manifest"
        raise error("E0713", message)
    return target


def _check_code(bundle: Bundle, target: Target) -> None:
    """E0726 for executables and shared libraries that are not what the manifest says."""
    net, build = bundle.spec.name, bundle.spec.build
    kinds: tuple[tuple[str, Kind, Target], ...] = (
        (net, "executable", program_target(target)),
        (target.shared_name(net), "shared", target),
    )
    found = [
        Diagnostic("E0726", f"{path} {problem}")
        for name, kind, made_for in kinds
        if (path := bundle.path(name))
        for problem in problems(path, kind, Contract(made_for, net, build))
    ]
    if found:
        raise MbcError(*found)
