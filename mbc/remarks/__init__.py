"""The ids of remarks, `PASS.REASON`: `REMARKS` is the whole table, in the order of the pipeline.

docs/remarks.md and `mbc explain fuse-activation.shared` are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from mbc.remarks import folding, fusing, moves, planning, quantising

PASSES: Mapping[str, Mapping[str, str]] = {
    **quantising.PASSES,
    **folding.PASSES,
    **moves.PASSES,
    **fusing.PASSES,
    **planning.PASSES,
}
"""What each reason of a pass means."""

REMARKS: Mapping[str, str] = {
    f"{name}.{reason}": meaning
    for name, reasons in PASSES.items()
    for reason, meaning in reasons.items()
}
"""What each id means."""
