"""Schedules of kernels, as nodes carry them; see `mbc.ir.schedule`."""

from mbc.ir.schedule import Schedule
from mbc.schedules.cpu import ChannelBlocks, Panels, Strassen, Turns
from mbc.schedules.gpu import PoolBlock, Strip, Threads, ThreadTile

SCHEDULES: tuple[type[Schedule], ...] = (
    Panels,
    Strassen,
    Turns,
    ChannelBlocks,
    ThreadTile,
    Strip,
    PoolBlock,
    Threads,
)
"""Every schedule that text can hold."""

__all__ = [
    "SCHEDULES",
    "ChannelBlocks",
    "Panels",
    "PoolBlock",
    "Strassen",
    "Strip",
    "ThreadTile",
    "Threads",
    "Turns",
]
