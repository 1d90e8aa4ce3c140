"""Fused bodies as kernels: the code of a chain that is streamed by rows (see `chain`).

Each ring has a counter of the rows computed so far, in the header of the scratch. A call that
starts in the middle of an image recomputes the rows above its first turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_code import emit_gemm
from mbc.backends.llvm.gemm_share import Pointers, Share
from mbc.backends.llvm.integer.layers import Layer
from mbc.backends.llvm.integer.product import Places, Product
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site
from mbc.backends.llvm.kernels.chain import (
    COUNTER_BYTES,
    Chain,
    Stage,
    ends_of,
    plan_chain,
    row_window,
)
from mbc.backends.llvm.kernels.linear import is_gemm_rows, pack_pointwise, shape_name
from mbc.backends.llvm.kernels.patch_rows import PatchRows
from mbc.backends.llvm.kernels.patches import Patches, pack_patches, patch_gemm
from mbc.backends.llvm.kernels.windows import define_rows, pack_window, window_name
from mbc.backends.llvm.window import Window
from mbc.backends.llvm.window_code import emit_row, image_rows
from mbc.ops import Fused
from mbc.records import dataclass
from mbc.targets.elements import on_codes


def build_stream(site: Site) -> Kernel:
    """Build the kernel of a fused body; one task is one turn of its last op."""
    ends, out = ends_of(site.node), site.output
    x = site.input(ends.x)
    residual = None if ends.residual is None else site.input(ends.residual)
    chain = plan_chain(site.isa, site.node, x, out, residual)
    inputs = (x, *(stage.out for stage in chain.stages))
    chain = replace(chain, stages=tuple(map(_with_data, chain.stages, inputs)))
    weights = [_pack(stage) for stage in chain.stages]
    starts = np.cumsum([0, *(w.nbytes for w in weights)])
    rows = [_row_functions(site, stage) for stage in chain.stages]
    f = site.kernel_function()
    held = None if ends.residual is None else site.pointers(ends.residual)[0]
    stream = Stream(f, chain, x, residual, [int(s) for s in starts], rows)
    stream.emit(site.pointers(ends.x)[0], held)
    assert isinstance(site.node.op, Fused)
    element = "q8" if on_codes(site.node) else "f32"
    name = site.library.define(f"{element}_{site.node.op.kind}_{_chain_name(chain)}", f)
    tasks = out.type.shape[0] * chain.turns
    return Kernel(name, tasks, chain.scratch_bytes, _joined(weights))


def _with_data(stage: Stage, x: Buffer) -> Stage:
    """Return a stage that reads a buffer, whose constants have data."""
    if not isinstance(stage.plan, Product):
        return stage
    return replace(stage, plan=Layer.of(stage.plan, stage.node, [x]).product)


def _joined(weights: Sequence[np.ndarray]) -> np.ndarray:
    """Join packed weights, as bytes if they are of several elements."""
    alike = len({array.dtype for array in weights}) == 1
    return np.concatenate(weights if alike else [array.view(np.uint8) for array in weights])


def _pack(stage: Stage) -> np.ndarray:
    match stage.plan:
        case Gemm() as gemm:
            return pack_pointwise(gemm, stage.node)
        case Window() as window:
            return pack_window(window, stage.node)
        case Patches() as patches:
            return pack_patches(_gemm(patches, stage), stage.node)
        case Product() as product:
            return Layer(product, stage.node, (stage.out,)).packed()


def _gemm(patches: Patches, stage: Stage) -> Gemm:
    return patch_gemm(patches, patches.columns[0], stage.out)


def _row_functions(site: Site, stage: Stage) -> list[str]:
    return define_rows(site.library, stage.plan) if isinstance(stage.plan, Window) else []


def _chain_name(chain: Chain) -> str:
    parts = [_stage_name(stage) for stage in chain.stages]
    height, width = chain.stages[-1].out.type.shape[1:3]
    return "_".join([*parts, f"{height}x{width}"])


def _stage_name(stage: Stage) -> str:
    match stage.plan:
        case Gemm() as gemm:
            return f"pw{shape_name(gemm)}"
        case Window() as window:
            return window_name(window)
        case Patches() as patches:
            return f"{patches.name}_{shape_name(_gemm(patches, stage))}"
        case Product() as product:
            return Layer(product, stage.node, (stage.out,)).name


@dataclass(frozen=True)
class Stream:
    """The code of one chain under construction."""

    f: Function
    """The function that it goes to."""
    chain: Chain
    x: Buffer
    """Layout of the chain's input."""
    residual: Buffer | None
    """Layout of the residual; None without one."""
    weights: Sequence[int]
    """Byte offset of each stage's packed weights."""
    rows: Sequence[Sequence[str]]
    """Names of each stage's row functions; () unless it is a window op."""

    def emit(self, x: str, residual: str | None) -> None:
        """Emit all turns of a call."""
        f, last = self.f, self.chain.stages[-1]
        for stage in self.chain.stages:
            if isinstance(stage.plan, Patches):
                self._patch_rows(stage, stage.plan).clear()

        def turn(index: Count, _: list[str]) -> Sequence[str]:
            turns = self.chain.turns
            image, local = f.binary("udiv", index, turns), f.binary("urem", index, turns)
            source = f.offset(x, f.binary("mul", image, self._image_bytes(self.x)))
            self._rewind(index, local)
            rows = f.binary("mul", index, last.chunk)
            target = f.offset("%y0", f.binary("mul", rows, last.out.row_bytes))
            held = None
            if residual is not None and self.residual is not None:
                held = f.offset(residual, f.binary("mul", rows, self.residual.row_bytes))
            self._stage(len(self.chain.stages) - 1, source, local, target, held)
            return []

        f.loop("%begin", "%end", [], turn)

    def _image_bytes(self, buffer: Buffer) -> int:
        return buffer.bytes // buffer.type.shape[0]

    # rings

    def _counter(self, number: int) -> str:
        return self.f.offset("%scratch", number * COUNTER_BYTES)

    def _has_counter(self, number: int) -> bool:
        stages = self.chain.stages
        return number + 1 < len(stages) and isinstance(stages[number + 1].plan, Window | Patches)

    def _rewind(self, index: Count, local: Count) -> None:
        """Reset the counters of rings at the first turn of a call or an image."""
        f, word = self.f, self.f.isa.word
        numbers = [i for i in range(len(self.chain.stages)) if self._has_counter(i)]
        if not numbers:
            return
        fresh = f.op(f"icmp eq {word} {index}, %begin")
        top = f.op(f"icmp eq {word} {local}, 0")
        reset, go = f.label("rewind"), f.label("stream")
        f.emit(f"br i1 {f.op(f'or i1 {fresh}, {top}')}, label %{reset}, label %{go}")
        f.start_block(reset)
        first = f.binary("mul", local, self.chain.turn)
        for number in reversed(numbers):
            first = self._first_row(number, first)
            f.emit(f"store {word} {first}, ptr {self._counter(number)}")
        f.emit(f"br label %{go}")
        f.start_block(go)

    def _first_row(self, number: int, reader_row: Count) -> Count:
        """Compute the first row of a ring that its reader's row needs, rounded down to a chunk."""
        f, stage = self.f, self.chain.stages[number]
        stride, pad, _ = row_window(self.chain.stages[number + 1].node)
        wanted = f.clamp("max", f.binary("mul", reader_row, stride), pad)
        row = f.binary("sub", wanted, pad)
        return f.binary("sub", row, f.binary("urem", row, stage.chunk))

    def _fill(self, number: int, source: str, row: Count) -> None:
        """Compute rows of a ring until it holds all that the reader's row needs."""
        f, word, stage = self.f, self.f.isa.word, self.chain.stages[number]
        stride, pad, extent = row_window(self.chain.stages[number + 1].node)
        end = f.binary("add", f.binary("mul", row, stride), extent)
        end = f.binary("sub", f.clamp("max", end, pad), pad)  # 0 for windows above the image
        wanted = f.clamp("min", end, stage.height)
        counter = self._counter(number)
        made = f.op(f"load {word}, ptr {counter}")
        chunks = f.binary("udiv", f.binary("add", wanted, stage.chunk - 1), stage.chunk)
        first = f.binary("udiv", made, stage.chunk)

        def chunk(index: Count, _: list[str]) -> Sequence[str]:
            self._stage(number, source, index, self._slot(number, index), None)
            made = f.binary("mul", f.binary("add", index, 1), stage.chunk)
            f.emit(f"store {word} {made}, ptr {counter}")
            return []

        f.loop(first, chunks, [], chunk)

    def _slot(self, number: int, chunk: Count) -> str:
        """Compute the address of a chunk of a stage's rows in scratch."""
        f, stage = self.f, self.chain.stages[number]
        slot = f.binary("urem", chunk, stage.capacity // stage.chunk)
        offset = f.binary("mul", slot, stage.chunk * stage.out.row_bytes)
        return f.offset(f.offset("%scratch", stage.offset), offset)

    def _patch_rows(self, stage: Stage, patches: Patches) -> PatchRows:
        scratch = self.f.offset("%scratch", stage.patch_offset)
        return PatchRows(self.f, patches, scratch, stage.out)

    # stages

    def _stage(self, number: int, source: str, chunk: Count, target: str, held: str | None) -> None:
        """Compute one chunk of a stage's rows, stored to `target`."""
        stage = self.chain.stages[number]
        match stage.plan:
            case Gemm() as gemm:
                self._pointwise(number, gemm, source, chunk, target, held)
            case Window() as window:
                self._window(number, window, source, chunk, target)
            case Product() as product:
                self._product(number, product, source, chunk, target, held)
            case Patches() as patches:
                at = Pointers((source,), self._weights(number), target)
                self._patches(number, self._patch_rows(stage, patches), at, chunk)

    def _weights(self, number: int) -> str:
        return self.f.offset("%w", self.weights[number])

    def _pointwise(
        self, number: int, gemm: Gemm, source: str, chunk: Count, target: str, held: str | None
    ) -> None:
        a = self._rows(number, source, chunk)
        emit_gemm(self.f, gemm, Pointers((a,), self._weights(number), target, held), Share())

    def _rows(self, number: int, source: str, chunk: Count) -> str:
        """Return the address of the rows that a chunk of a pointwise stage reads, computed."""
        f, stage = self.f, self.chain.stages[number]
        if number == 0:
            return f.offset(source, f.binary("mul", chunk, stage.chunk * self.x.row_bytes))
        a = self._slot(number - 1, chunk)
        self._stage(number - 1, source, chunk, a, None)
        return a

    def _product(
        self,
        number: int,
        product: Product,
        source: str,
        chunk: Count,
        target: str,
        held: str | None,
    ) -> None:
        f, stage = self.f, self.chain.stages[number]
        x = self.x if number == 0 else self.chain.stages[number - 1].out
        a, first = source, f.binary("mul", chunk, product.rows)
        if is_gemm_rows(stage.node):
            a, first = self._rows(number, source, chunk), 0
        converted = f.offset("%scratch", stage.patch_offset)
        at = Places(converted, self._weights(number), target, held)
        Layer(product, stage.node, (x,)).emit(f, [a], first, at, Share())

    def _window(self, number: int, window: Window, source: str, chunk: Count, target: str) -> None:
        f, stage = self.f, self.chain.stages[number]
        first = f.binary("mul", chunk, stage.chunk)

        def row(index: Count, at: list[str]) -> Sequence[str]:
            y = f.binary("add", first, index)
            if number == 0:
                lines = image_rows(f, window, [source], y)
            else:
                self._fill(number - 1, source, y)
                lines = [self._ring_rows(number, window.kernel[0], y)]
            emit_row(f, window, self.rows[number], lines, self._weights(number), at[0], str(y))
            return [f.offset(at[0], stage.out.row_bytes)]

        f.loop(0, stage.chunk, [("ptr", target)], row)

    def _patches(self, number: int, rows: PatchRows, at: Pointers, chunk: Count) -> None:
        if number == 0:
            rows.emit_turn(at, chunk)
            return
        (source,), patches = at.a, rows.patches

        def lines(y: Count) -> Sequence[str]:
            self._fill(number - 1, source, y)
            beyond = rows.zeros() if patches.reaches_out else None
            return self._ring_rows(number, patches.kernel[0], y, beyond)

        rows.emit_turn(at, chunk, lines)

    def _ring_rows(self, number: int, taps: int, y: Count, beyond: str | None = None) -> list[str]:
        """Compute the addresses of the rows under a stage's window in its producer's ring; those
        outside the image are somewhere in the ring, or `beyond`."""
        f, word, ring = self.f, self.f.isa.word, self.chain.stages[number - 1]
        stride, pad, extent = row_window(self.chain.stages[number].node)
        base = f.offset("%scratch", ring.offset)
        top = f.binary("mul", y, stride)
        addresses = []
        dilation = (extent - 1) // (taps - 1) if taps > 1 else 1
        for row in range(0, extent, dilation):
            # adding multiples of the capacity keeps rows above the image from wrapping below zero
            shift = row - pad + ring.capacity * pad
            slot = f.binary("urem", f.binary("add", top, shift), ring.capacity)
            address = f.offset(base, f.binary("mul", slot, ring.out.row_bytes))
            if beyond is not None:
                inside = f.binary("add", top, row - pad)
                inside = f.op(f"icmp ult {word} {inside}, {ring.height}")
                address = f.op(f"select i1 {inside}, ptr {address}, ptr {beyond}")
            addresses.append(address)
        return addresses
