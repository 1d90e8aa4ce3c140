"""Names of classes: from a file, or those of ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mbc.diag import error, unreadable
from mbc.runtime.abi import IoSpec

IMAGENET = "imagenet"
KNOWN = {IMAGENET: Path(__file__).parent / "data" / "imagenet.txt"}
"""Lists that mbc brings along, by the word that stands for them."""


def read_labels(path: Path) -> tuple[str, ...]:
    """Read names of classes, one a line, or a list of `KNOWN`; raises E0701, or E0709 if it is not
    UTF-8 text."""
    path = KNOWN.get(str(path), path)
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as problem:
        raise unreadable(path, problem) from None
    except UnicodeDecodeError as problem:
        raise error("E0709", f"{path} is not UTF-8 text: byte {problem.start}") from None
    return tuple(line.strip() for line in lines)


def check_labels(labels: Sequence[str], outputs: Sequence[IoSpec], path: Path) -> None:
    """Raise E0709 unless there is a name for each class, along the last axis of every output; and
    for outputs of indices, which have no scores."""
    for spec in outputs:
        if spec.dtype == "s32":
            message = f"{path} names classes to rank by scores, and {spec.name} has none"
            raise error("E0709", message, helps=["return what argmax reads as well or instead"])
    for classes in {spec.shape[-1] for spec in outputs} - {len(labels)}:
        helps = ["the first line is class 0"]
        if len(labels) == classes + 1:
            helps = ["lists that begin with 'background' belong to networks with one more class"]
        message = f"{path} has {len(labels)} lines, the network {classes} classes"
        raise error("E0709", message, helps=helps)


def labels_config(labels: Sequence[str] | None) -> str:
    """Return the lines of mbc_net.h by which executables print names; "" if there are none."""
    if labels is None:
        return ""
    rows = "\n".join(f"    {_literal(label)}," for label in labels)
    return f"#define MBC_LABELS\n\nstatic const char *const labels[] = {{\n{rows}\n}};\n"


def _literal(text: str) -> str:
    """Write a text as a literal of C; what is not plain ASCII as octal numbers of its bytes."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'
