"""The stages `lower` and `emit`: from a planned graph to the files of an output folder."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from mbc import __version__
from mbc.backends.llvm.interface import identified
from mbc.backends.llvm.link import Toolchain
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.diag import error
from mbc.driver.output import check_replaceable, output_folder
from mbc.driver.pipeline import Compiled
from mbc.driver.request import Observer
from mbc.driver.workshop import CODE_KINDS, EMITTERS, RUNNABLE_KINDS, Workshop, check_made
from mbc.files import scratch_folder
from mbc.interp import run as run_oracle
from mbc.runtime import reference
from mbc.runtime.abi import NetSpec
from mbc.runtime.manifest import FILE_NAME, Manifest, digests, tensors
from mbc.runtime.preprocessing import Preprocessing
from mbc.targets.target import Target

DEFAULT_EMIT = ("exe", "lib", "header")
ANDROID_EMIT = ("exe", "so", "header")  # an app loads a shared library


def default_emit(target: Target) -> tuple[str, ...]:
    """What is written unless the user says."""
    return ANDROID_EMIT if target.system == "android" else DEFAULT_EMIT


@dataclass(frozen=True)
class Beside:
    """What stands beside code in an output folder: the reference for `mbc verify`, and how photos
    are prepared for the network, where the user says it."""

    check: bool = True
    photos: Preprocessing | None = None


@dataclass(frozen=True)
class Wanted:
    """What to write: kinds are names of `EMITTERS`. `command` is what the user typed."""

    kinds: tuple[str, ...]
    external_weights: bool = False
    beside: Beside = Beside()
    command: str = ""


@dataclass(frozen=True)
class Built:
    """An output folder and its manifest."""

    folder: Path
    manifest: Manifest


def lower_graph(compiled: Compiled, observer: Observer) -> LoweredNet:
    """The stage `lower`."""
    observer.step("lowering to LLVM IR")
    return lower(compiled.graph, compiled.target)


def build(
    compiled: Compiled,
    output: Path,
    wanted: Wanted,
    toolchain: Toolchain,
    observer: Observer,
) -> Built:
    """Write the wanted kinds of files and the manifest; all or nothing."""
    check_replaceable(output)
    kinds = dict.fromkeys(wanted.kinds)
    lowered = lower_graph(compiled, observer)
    if wanted.external_weights:
        lowered = _without_weights(lowered)
    lowered = identified(lowered)
    with output_folder(output) as folder, scratch_folder() as scratch:
        photos = wanted.beside.photos
        workshop = Workshop(scratch, compiled, lowered, toolchain, observer, wanted.command, photos)
        for kind in kinds:
            _deliver(EMITTERS[kind](workshop), folder)
        for name, file in workshop.links().items():
            _link(folder / name, folder / file)
        if wanted.external_weights and CODE_KINDS & kinds.keys():
            _deliver(workshop.weights(), folder)
        check = None
        if wanted.beside.check and RUNNABLE_KINDS & kinds.keys():
            check = write_check(compiled, lowered.spec, folder, observer)
        manifest = describe(compiled, lowered.spec, toolchain, photos)
        manifest = replace(manifest, check=check, files=digests(folder))
        (folder / FILE_NAME).write_text(manifest.to_json(), "utf-8")
    return Built(output, manifest)


def _without_weights(lowered: LoweredNet) -> LoweredNet:
    digest = hashlib.sha256(lowered.weights).digest()
    return replace(lowered, spec=replace(lowered.spec, weights_sha256=digest))


def write_check(
    compiled: Compiled, spec: NetSpec, folder: Path, observer: Observer
) -> dict[str, Any]:
    """What the network as written answers to seeded inputs, by the oracle, for `mbc verify`; E0902
    if there is not the memory to evaluate it."""
    observer.step("evaluating the reference")
    name = reference.file_name(spec.name)
    try:
        inputs = reference.seeded_inputs(spec.inputs, reference.SEED)
        outputs = run_oracle(compiled.source.graph, inputs)
        (folder / name).write_bytes(reference.to_bytes(outputs))
    except MemoryError:
        raise error(
            "E0902",
            "there is not enough memory to evaluate the reference, for mbc verify",
            helps=["--no-check leaves it out"],
        ) from None
    return {"file": name, "seed": reference.SEED, "tolerance": reference.TOLERANCE}


def _deliver(path: Path, folder: Path) -> None:
    """Copy a file into the output folder, with the constants that IR text needs beside it."""
    check_made(path)
    shutil.copy(path, folder / path.name)
    constants = path.parent / "constants.safetensors"
    if path.suffix == ".mbc" and constants.exists():
        shutil.copy(constants, folder / constants.name)


def _link(name: Path, file: Path) -> None:
    """A second name for a file: a copy where the file system knows no links."""
    try:
        name.symlink_to(file.name)
    except OSError:
        shutil.copy(file, name)


def describe(
    compiled: Compiled, spec: NetSpec, toolchain: Toolchain, photos: Preprocessing | None
) -> Manifest:
    """The manifest, but for the files."""
    source, target = compiled.source, compiled.target
    inputs, outputs = tensors(spec)
    return Manifest(
        network=source.network,
        name=spec.name,
        build=spec.build,
        parameters=source.parameters,
        weights=source.weights,
        weights_sha256=spec.weights_sha256.hex(),
        backend="tvm" if compiled.tvm else "llvm",
        target=target.name,
        triple=target.triple,
        cpu=target.cpu,
        features=target.features,
        gpu=str(target.gpu or ""),
        macs=source.totals.macs,
        params=source.totals.params,
        arena_bytes=spec.arena_bytes,
        shared_bytes=spec.shared_bytes,
        scratch_bytes=spec.scratch_bytes,
        weights_bytes=spec.weights_bytes,
        inputs=inputs,
        outputs=outputs,
        check=None,
        preprocess=None if photos is None else photos.to_dict(),
        passes=compiled.passes,
        versions=versions(toolchain, tvm=compiled.tvm),
    )


def versions(toolchain: Toolchain, *, tvm: bool = False) -> dict[str, str]:
    """Of everything that decides about the bytes of an artefact."""
    libraries = ("llvmlite", "numpy", *(("apache-tvm", "apache-tvm-ffi") if tvm else ()))
    return {
        "mbc": __version__,
        **{name: metadata.version(name) for name in libraries},
        "toolchain": toolchain.name,
    }


def default_output(net: str, target: str) -> Path:
    """build/NET-TARGET."""
    return Path("build") / f"{net}-{target}"
