"""Does an output folder compute what the network computes? Its files against the manifest, the code
against the target, then every artefact that can run against the oracle's answer.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from mbc.accuracy import Difference, difference
from mbc.backends.llvm.link import MAIN_SOURCES, Toolchain, link_executable
from mbc.backends.tvm.require import tvm
from mbc.diag import Diagnostic, MbcError, error
from mbc.driver.emulation import Runner, choose_runner, run
from mbc.driver.gpu import LAUNCHES, run_bundle
from mbc.driver.platforms import link_target, program_target
from mbc.driver.request import Observer
from mbc.driver.tvm import RUN
from mbc.files import scratch_folder
from mbc.runtime import reference, shared_runner
from mbc.runtime.bundle import Bundle, check_files, read_bundle
from mbc.runtime.program import main_config
from mbc.targets.catalogue import recorded_target
from mbc.targets.conformance import Contract, Kind, problems
from mbc.targets.cpu_check import cpu_config
from mbc.targets.target import Target


@dataclass(frozen=True)
class Verdict:
    """An artefact, who ran it ("" if nobody could), and how far each output is off at most."""

    artefact: str
    ran_by: str
    errors: Mapping[str, Difference]


@dataclass(frozen=True)
class Verification:
    """What was found; `tolerance` is the largest error that is none."""

    verdicts: tuple[Verdict, ...]
    tolerance: float

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
    folder: Path, *, emulate: bool, cpu: str | None, toolchain: Toolchain, observer: Observer
) -> Verification:
    """Check files and code, then run what can be run. Raises E0701, E0713, E0720 for the folder,
    E0726 for code that is for another target, E0722 to E0724 where it cannot be run, E0727 where
    there is nothing to compare with."""
    bundle = read_bundle(folder)
    observer.step("checking the files")
    check_files(bundle)
    target = _recorded(bundle)
    _check_code(bundle, target)
    with scratch_folder() as scratch:
        bench = _Bench(bundle, target, scratch, toolchain, observer, emulate, cpu)
        verdicts = tuple(bench.verdicts())
    if not any(verdict.ran_by for verdict in verdicts):
        raise error(
            "E0724",
            f"{folder} holds nothing that can be run here",
            helps=["compile with --emit exe, or verify it on its own kind of machine"],
        )
    return Verification(verdicts, bundle.tolerance)


def _recorded(bundle: Bundle) -> Target:
    """The target that a manifest records; E0713 for one that mbc does not know."""
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


@dataclass(frozen=True)
class _Bench:
    """Where artefacts are run; every one that can be gives a verdict."""

    bundle: Bundle
    target: Target
    scratch: Path
    toolchain: Toolchain
    observer: Observer
    emulate: bool
    cpu: str | None

    def verdicts(self) -> Iterator[Verdict]:
        """In the order executable, static library, shared library, module of TVM, kernels."""
        net = self.bundle.spec.name
        ways: dict[str, Callable[[Path], Verdict]] = {
            net: self._executable,
            f"lib{net}.a": self._library,
            self.target.shared_name(net): self._shared,
            f"{net}.so": self._module,
            LAUNCHES: self._kernels,
        }
        present = {name: path for name in ways if (path := self.bundle.path(name))}
        if present and self.bundle.seed is None:
            raise error(
                "E0727",
                f"{self.bundle.folder} has no reference: there is nothing to compare with",
                label="its files have the manifest's hashes, its code is for the target; nothing "
                "was run",
                helps=["compile without --no-check"],
            )
        for name, path in present.items():
            yield ways[name](path)

    def _executable(self, path: Path) -> Verdict:
        program = self.scratch / path.name
        shutil.copyfile(path, program)
        program.chmod(0o755)
        return self._run(path.name, [program, *self._weights()])

    def _library(self, path: Path) -> Verdict:
        """The library, linked into the program that `--emit exe` makes."""
        self.observer.step(f"linking a program with {path.name}")
        spec, program = self.bundle.spec, self.scratch / f"{path.stem}_program"
        config = main_config(spec) + cpu_config(self.target)
        (self.scratch / "mbc_net.h").write_text(config, "utf-8")
        link_executable(
            [*MAIN_SOURCES, path],
            program,
            link_target(self.target),
            self.toolchain,
            include_dirs=[self.scratch],
            progress=self.observer.step,
        )
        return self._run(path.name, [program, *self._weights()])

    def _shared(self, path: Path) -> Verdict:
        """By a program in Python on this machine; nothing here loads libraries for others."""
        if self.target.system == "android" or not self._runner().native:
            return Verdict(path.name, "", {})
        spec = self.bundle.spec
        fixed = (path.absolute(), spec.name, spec.build)
        shapes = [",".join(map(str, output.shape)) for output in spec.outputs]
        command = [sys.executable, "-P", shared_runner.__file__, *fixed, *self._weights()]
        return self._run(path.name, command, shapes)

    def _module(self, path: Path) -> Verdict:
        """By the program beside it, with TVM's runtime, on this machine."""
        program = self.bundle.path(RUN)
        if program is None or self.bundle.gpu or not self._runner().native:
            return Verdict(path.name, "", {})
        tvm()
        return self._run(path.name, [sys.executable, "-P", program.absolute()])

    def _kernels(self, path: Path) -> Verdict:
        """By launchers of ours, on a GPU of this machine."""
        self.observer.step(f"running the kernels for {self.bundle.gpu}")
        seed = self.bundle.seed or 0
        inputs = reference.seeded_inputs(self.bundle.spec.inputs, seed)
        found = run_bundle(self.bundle, inputs)
        wanted = self._reference()
        errors = {name: difference(found[name], wanted[name]) for name in wanted}
        return Verdict(path.name, f"a GPU ({self.bundle.gpu})", errors)

    def _runner(self) -> Runner:
        return choose_runner(self.target, emulate=self.emulate, cpu=self.cpu)

    def _weights(self) -> list[str | Path]:
        """The option that names weights which are a file of their own."""
        path = self.bundle.path(f"{self.bundle.spec.name}.weights")
        return [] if path is None else ["--weights", path.absolute()]

    def _run(self, name: str, command: Sequence[str | Path], shapes: Sequence[str] = ()) -> Verdict:
        """Run on the seeded inputs and compare. `shapes` go behind the outputs' files."""
        spec, runner = self.bundle.spec, self._runner()
        self.observer.step(f"running {name} on {runner}")
        words = list(command)
        for number, array in enumerate(self._inputs()):
            np.save(path := self.scratch / f"x{number}.npy", array)
            words += ["--input", path]
        files = [self.scratch / f"y{number}.npy" for number in range(len(spec.outputs))]
        for file, extra in zip_longest(files, shapes):
            words += ["--output", file, *([extra] if shapes else [])]
        run(runner, words, self.scratch, f"{self.target.cpu} (target {self.target.name})")
        return Verdict(name, str(runner), self._errors(files))

    def _inputs(self) -> Iterable[np.ndarray]:
        seed = self.bundle.seed or 0
        return reference.seeded_inputs(self.bundle.spec.inputs, seed).values()

    def _errors(self, files: Sequence[Path]) -> dict[str, Difference]:
        wanted = self._reference()
        found = (np.load(file) for file in files)
        return {
            name: difference(array, wanted[name]) for name, array in zip(wanted, found, strict=True)
        }

    def _reference(self) -> dict[str, np.ndarray]:
        spec = self.bundle.spec
        path = self.bundle.folder / reference.file_name(spec.name)
        try:
            return reference.read(path, spec.outputs)
        except (OSError, ValueError, KeyError, BadZipFile) as problem:
            raise error("E0720", f"{path} does not hold the outputs: {problem}") from None
