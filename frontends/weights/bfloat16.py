"""bfloat16, which numpy lacks: the upper half of a float32."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt


def widened(upper: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Return the numbers whose upper 16 bits are given, exactly."""
    return (upper.astype(np.uint32) << np.uint32(16)).view(np.float32)


def read_bfloat16(path: Path, name: str) -> npt.NDArray[np.float32]:
    """Read a tensor of a .safetensors file that its library has checked."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
        first, last = entry["data_offsets"]
        file.seek(8 + length + first)
        data = file.read(last - first)
    return widened(np.frombuffer(data, "<u2")).reshape(entry["shape"])
