"""Runs the artefacts of an output folder, and compares with its reference."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from mbc.accuracy import Difference, difference
from mbc.backends.llvm.link import MAIN_SOURCES, link_executable
from mbc.backends.llvm.toolchain import Toolchain
from mbc.backends.tvm.gpu.cuda import CudaNet
from mbc.backends.tvm.gpu.launch import LaunchPlan, read_plan
from mbc.backends.tvm.gpu.opencl import OpenClNet
from mbc.backends.tvm.require import tvm
from mbc.diag import error
from mbc.driver.emulation import Runner, choose_runner, run
from mbc.driver.platforms import link_target
from mbc.driver.producers.gpu import LAUNCHES, SUFFIXES
from mbc.driver.producers.tvm import RUN
from mbc.driver.request import Observer
from mbc.records import dataclass
from mbc.runtime import reference, shared_runner
from mbc.runtime.bundle import Bundle
from mbc.runtime.program import main_config
from mbc.targets.cpu_check import cpu_config
from mbc.targets.target import Target


@dataclass(frozen=True)
class Verdict:
    """The result of running an artefact."""

    artefact: str
    ran_by: str
    """The machine, emulator or GPU; "" if nothing here can run it."""
    errors: Mapping[str, Difference]
    """Largest difference of each output from the reference."""


@dataclass(frozen=True)
class ArtifactRunner:
    """Runs the artefacts of a folder that can be run, each on the reference's inputs."""

    bundle: Bundle
    target: Target
    scratch: Path
    toolchain: Toolchain
    observer: Observer
    emulate: bool
    """Whether to emulate even what this machine can run."""
    cpu: str | None
    """CPU to emulate, if the user names one."""

    def verdicts(self) -> Iterator[Verdict]:
        """Run executable, static and shared library, module of TVM and kernels, in this order."""
        net = self.bundle.spec.name
        runs: dict[str, Callable[[Path], Verdict]] = {
            net: self._executable,
            f"lib{net}.a": self._library,
            self.target.shared_name(net): self._shared,
            f"{net}.so": self._module,
            LAUNCHES: self._kernels,
        }
        present = {name: path for name in runs if (path := self.bundle.path(name))}
        if present and self.bundle.seed is None:
            raise error(
                "E0727",
                f"{self.bundle.folder} has no reference: there is nothing to compare with",
                label="its files have the manifest's hashes, its code is for the target; nothing "
                "was run",
                helps=["compile without --no-check"],
            )
        for name, path in present.items():
            yield runs[name](path)

    def _executable(self, path: Path) -> Verdict:
        program = self.scratch / path.name
        shutil.copyfile(path, program)
        program.chmod(0o755)
        return self._run(path.name, [program, *self._weights()])

    def _library(self, path: Path) -> Verdict:
        """Run the library, linked into the program that `--emit exe` makes."""
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
        """Run it by a program in Python, on this machine alone: no loader is emulated."""
        if self.target.system == "android" or not self._runner().native:
            return Verdict(path.name, "", {})
        spec = self.bundle.spec
        fixed = (path.absolute(), spec.name, spec.build)
        types = [
            (str(output.element.numpy), ",".join(map(str, output.shape))) for output in spec.outputs
        ]
        command = [sys.executable, "-P", shared_runner.__file__, *fixed, *self._weights()]
        return self._run(path.name, command, types)

    def _module(self, path: Path) -> Verdict:
        """Run it by the program beside it, with TVM's runtime, on this machine."""
        program = self.bundle.path(RUN)
        if program is None or self.bundle.gpu or not self._runner().native:
            return Verdict(path.name, "", {})
        tvm()
        return self._run(path.name, [sys.executable, "-P", program.absolute()])

    def _kernels(self, path: Path) -> Verdict:
        """Run them on a GPU of this machine, by mbc's launchers."""
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
        """Return the option for weights in a file of their own."""
        path = self.bundle.path(f"{self.bundle.spec.name}.weights")
        return [] if path is None else ["--weights", path.absolute()]

    def _run(
        self, name: str, command: Sequence[str | Path], types: Sequence[tuple[str, str]] = ()
    ) -> Verdict:
        """Run on the seeded inputs and compare. `types` follow the names of output files."""
        spec, runner = self.bundle.spec, self._runner()
        self.observer.step(f"running {name} on {runner}")
        words = list(command)
        for number, array in enumerate(self._inputs()):
            np.save(path := self.scratch / f"x{number}.npy", array)
            words += ["--input", path]
        files = [self.scratch / f"y{number}.npy" for number in range(len(spec.outputs))]
        for number, file in enumerate(files):
            words += ["--output", file, *(types[number] if types else ())]
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


def run_bundle(bundle: Bundle, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the outputs of a folder's kernels on a GPU of this machine. Raises E0713 for a
    launch.json that mbc did not write, E0724 without machine code, and what launchers raise."""
    plan = _read_plan(bundle)
    if plan.gpu.api == "opencl":
        return OpenClNet(plan)(inputs)
    image = bundle.path(f"{bundle.spec.name}.cubin")
    if image is None:
        message = f"{bundle.folder} has no machine code for a GPU"
        raise error("E0724", message, helps=["compile it where an nvcc is found"])
    return CudaNet(plan, image.read_bytes())(inputs)


def _read_plan(bundle: Bundle) -> LaunchPlan:
    net, folder = bundle.spec.name, bundle.folder
    try:
        listed = json.loads((folder / LAUNCHES).read_bytes())
        source = (folder / f"{net}.{SUFFIXES[listed['api']]}").read_text("utf-8")
        return read_plan(bundle.spec, listed, source, (folder / f"{net}.weights").read_bytes())
    except (OSError, ValueError, TypeError, KeyError):
        message = f"{folder / LAUNCHES} is no launch plan that mbc compile wrote"
        raise error("E0713", message) from None
