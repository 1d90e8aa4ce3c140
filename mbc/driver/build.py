"""The stage `emit`: an output folder, whatever produces its files."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from mbc import __version__
from mbc.diag import error
from mbc.driver.output import check_replaceable, output_folder
from mbc.driver.pipeline import reference_graph
from mbc.driver.producers.producer import ArtifactWriter, Compiled, Producer, Wanted
from mbc.driver.request import LLVM, Observer
from mbc.interp.ties import run_with_ties
from mbc.ir.elements import U8
from mbc.records import dataclass
from mbc.runtime import reference
from mbc.runtime.abi import NetSpec
from mbc.runtime.manifest import FILE_NAME, Manifest, digests, tensors
from mbc.runtime.normalisation import AS_THEY_ARE
from mbc.runtime.preprocessing import Preprocessing


@dataclass(frozen=True)
class Built:
    """An output folder and its manifest."""

    folder: Path
    manifest: Manifest


def build(compiled: Compiled, output: Path, wanted: Wanted, observer: Observer) -> Built:
    """Write the wanted files, the reference and the manifest; all or nothing."""
    check_replaceable(output)
    writer = compiled.producer.writer(compiled, wanted, observer)
    with output_folder(output) as folder:
        writer.write(folder)
        check = _write_check(writer, folder) if wanted.check and writer.runnable else None
        manifest = _describe(writer, check, folder)
        (folder / FILE_NAME).write_text(manifest.to_json(), "utf-8")
    return Built(output, manifest)


def _write_check(writer: ArtifactWriter, folder: Path) -> dict[str, Any]:
    """Write the oracle's outputs for seeded inputs; E0902 if memory does not suffice to evaluate
    the network as written."""
    writer.observer.step("evaluating the reference")
    name = reference.file_name(writer.net)
    try:
        inputs = reference.seeded_inputs(writer.spec.inputs, reference.SEED)
        outputs = run_with_ties(reference_graph(writer.compiled), inputs)
        (folder / name).write_bytes(reference.to_bytes(outputs))
    except MemoryError:
        raise error(
            "E0902",
            "there is not enough memory to evaluate the reference, for mbc verify",
            helps=["--no-check leaves it out"],
        ) from None
    return {"file": name, "seed": reference.SEED, "tolerance": reference.TOLERANCE}


def _describe(writer: ArtifactWriter, check: dict[str, Any] | None, folder: Path) -> Manifest:
    """Describe a folder that is otherwise complete."""
    compiled, spec, photos = writer.compiled, writer.spec, writer.wanted.photos
    source, target = compiled.source, compiled.target
    inputs, outputs = tensors(spec)
    return Manifest(
        network=source.network,
        name=spec.name,
        build=spec.build,
        parameters=source.parameters,
        weights=source.weights,
        weights_sha256=spec.weights_sha256.hex(),
        backend=compiled.producer.name,
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
        check=check,
        preprocess=None if photos is None else _numbered(photos, spec).to_dict(),
        passes=compiled.passes,
        versions=_versions(writer),
        files=digests(folder),
    )


def _numbered(photos: Preprocessing, spec: NetSpec) -> Preprocessing:
    """Return the preprocessing with what the network itself makes of bytes."""
    known = [io.normalisation or AS_THEY_ARE for io in spec.inputs if io.element is U8]
    return photos.normalising(known[0]) if known else photos


def _versions(writer: ArtifactWriter) -> dict[str, str]:
    """Versions of everything that decides about the bytes of an artefact."""
    return {
        "mbc": __version__,
        **{name: metadata.version(name) for name in writer.compiled.producer.libraries},
        "toolchain": writer.wanted.toolchain.name,
    }


def default_output(producer: Producer, net: str) -> Path:
    """build/NET-TARGET, or build/NET-tvm-TARGET."""
    backend = "" if producer.name == LLVM else f"-{producer.name}"
    return Path("build") / f"{net}{backend}-{producer.target.name}"
