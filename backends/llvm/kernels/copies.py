"""Copies of rows to scratch."""

from __future__ import annotations

from collections.abc import Callable

from mbc.backends.llvm.emitter import Count, Function

Fill = Callable[[str, str], None]
"""Emits what makes a row, at the first address, of the row of an image at the second one."""


def copy_row(
    f: Function,
    y: Count,
    height: int,
    target: str,
    source: str,
    bytes: int,
    fill: Fill | None = None,
) -> None:
    """Copy row y of an image, or make another of it that has so many bytes; zeros if the image has
    no such row."""
    inside = f.op(f"icmp ult {f.isa.word} {y}, {height}")
    copy, clear, leave = f.label("copy"), f.label("clear"), f.label("filled")
    f.emit(f"br i1 {inside}, label %{copy}, label %{clear}")
    f.start_block(copy)
    if fill is None:
        copy_bytes(f, target, source, bytes)
    else:
        fill(target, source)
    f.emit(f"br label %{leave}")
    f.start_block(clear)
    zero_bytes(f, target, bytes)
    f.emit(f"br label %{leave}")
    f.start_block(leave)


def copy_bytes(f: Function, target: str, source: str, bytes: int) -> None:
    """Copy memory that does not overlap."""
    word = f.isa.word
    arguments = f"ptr {target}, ptr {source}, {word} {bytes}, i1 false"
    f.emit(f"call void @llvm.memcpy.p0.p0.{word}({arguments})")


def zero_bytes(f: Function, pointer: str, bytes: int) -> None:
    """Fill memory with zeros."""
    word = f.isa.word
    f.emit(f"call void @llvm.memset.p0.{word}(ptr {pointer}, i8 0, {word} {bytes}, i1 false)")
