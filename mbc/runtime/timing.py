"""The description of a network's kernels with which executables time them (--profile)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mbc.records import dataclass
from mbc.runtime.abi import NetSpec

FMA, INT8 = "FMA", "int8"
"""What a peak is of: multiply-adds of floats, or what multiplies codes."""


@dataclass(frozen=True)
class TimedPeak:
    """A peak that kernels may reach, and the task that measures it."""

    kind: str
    """What it is of."""
    task: str
    """What follows the network in the task's name."""
    operations: int
    """Operations of one thread in one run of it, two a multiply-add."""


@dataclass(frozen=True)
class TimedLayer:
    """The layer that a kernel computes."""

    name: str
    """Name of the layer."""
    origins: tuple[str, ...]
    """The values of the network as written that it accounts for."""
    op: str
    """Its op."""
    shape: tuple[int, ...]
    """Shape of its result."""
    peak: str | None
    """What its peak is of; None without multiply-adds."""
    macs: int
    """Multiply-adds."""
    bytes: int
    """Bytes of all operands and results, each counted once."""


@dataclass(frozen=True)
class Timing:
    """A network's layers, and how its peaks are measured."""

    head: Mapping[str, Any]
    """First members of the JSON."""
    macs: int
    """Multiply-adds of the network."""
    layers: tuple[TimedLayer, ...]
    """Layers in the order in which they run."""
    peaks: tuple[TimedPeak, ...]
    """Peaks of its layers, that of most multiply-adds first."""
    peak_bytes: int
    """Bytes of memory that each thread needs for their tasks."""


_TASK = "void {name}(void *context, uint32_t thread, uint32_t begin, uint32_t end);\n"

_CONFIG = """
#define MBC_PROFILE_HEAD {head}
#define MBC_NET_MACS {macs}.0
#define MBC_PEAK_BYTES {bytes} /* of memory that a thread needs for the task of a peak */
#define MBC_WEIGHTS_SIZE {weights_bytes}
{weights}
void {profile}(const {name}_io *io, const void *weights, void *arena, mbc_pool *pool,
                    void (*tick)(void *clock, uint32_t step), void *clock);
{tasks}
static const mbc_task stream_task = {stream};

static const peak peaks[] = {{
{peaks}
}};

static const layer layers[] = {{
{layers}
}};

static const void *packed_weights(void) {{ return {pointer}; }}

static void profile_net(void *memory, mbc_pool *pool, void (*tick)(void *clock, uint32_t step),
                        void *clock) {{
  const {name}_io io = {{{pointers}}};
  {profile}(&io, packed_weights(), memory, pool, tick, clock);
}}
"""


def timing_config(spec: NetSpec, timing: Timing) -> str:
    """Write what the option --profile adds to `main_config` in mbc_net.h."""
    external = spec.external_weights
    peaks = [spec.symbol(peak.task) for peak in timing.peaks]
    kinds = [peak.kind for peak in timing.peaks]
    embedded = f"\nextern const unsigned char {spec.symbol('weights')}[];\n"
    return _CONFIG.format(
        name=spec.name,
        head=_c_string("".join(_members(timing.head))),
        macs=timing.macs,
        tasks="".join(_TASK.format(name=name) for name in (*peaks, spec.symbol("stream"))),
        peaks="\n".join(map(_peak, timing.peaks, peaks)),
        bytes=timing.peak_bytes,
        weights_bytes=spec.weights_bytes,
        weights="" if external else embedded,
        pointer="weights" if external else spec.symbol("weights"),
        **{part: spec.symbol(part) for part in ("profile", "stream")},
        layers="\n".join(_row(layer, kinds) for layer in timing.layers),
        pointers=", ".join(f"buffer_{field}" for field in spec.fields()),
    )


def _members(head: Mapping[str, Any]) -> Iterable[str]:
    for key, value in head.items():
        yield f"{json.dumps(key)}:{_compact(value)},\n".replace("%", "%%")


def _row(layer: TimedLayer, kinds: Sequence[str]) -> str:
    told = {key: getattr(layer, key) for key in ("name", "origins", "op", "shape", "peak")}
    head, peak = _compact(told)[1:-1], kinds.index(layer.peak) if layer.peak else 0
    return f"    {{{_c_string(head)}, {layer.macs}.0, {layer.bytes}.0, {peak}}},"


def _peak(peak: TimedPeak, symbol: str) -> str:
    return f'    {{"{peak.kind}", {symbol}, {peak.operations}.0}},'


def _compact(value: object) -> str:
    """Format JSON without spaces, for it is part of every executable."""
    return json.dumps(value, separators=(",", ":"))


def _c_string(text: str) -> str:
    """Format JSON, which is ASCII with quotes and backslashes, as a C string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
