"""The ends of a part of a model, as --inputs and --outputs name them: what is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from mbc.diag import error, nearest

MOST_COMPARED = 10_000
"""The most names among which similar ones are looked for."""


def refuse_unknown(
    option: str, names: Iterable[str], known: Collection[str], helps: Sequence[str]
) -> None:
    """Raise E0808 for a name that no input and no result has; `helps` list what there is."""
    for name in names:
        if name not in known:
            similar = nearest(name, known) if len(known) < MOST_COMPARED else ()
            message = f"{option}: the model has no value '{name}'"
            raise error("E0808", message, helps=[*similar, *helps])


def refuse_unused(names: Sequence[str]) -> None:
    """Raise E0808 for new inputs that nothing reads."""
    if names:
        message = f"--inputs: no output depends on '{names[0]}'"
        raise error("E0808", message, helps=["leave it out"])


def refuse_missing(names: Sequence[str]) -> None:
    """Raise E0808 for the model's own inputs that are read beside the new ones."""
    if names:
        message = f"--inputs: the outputs depend on the model's input '{names[0]}' too"
        helps = ["name it as well, or a value on each way from it to the outputs"]
        raise error("E0808", message, helps=helps)
