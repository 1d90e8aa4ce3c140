"""Seeded mistakes in how photos are prepared."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

_photos = partial(
    Mutant, file="mbc/runtime/preprocessing.py", tests="tests/unit/test_preprocessing.py"
)

MUTANTS = (
    _photos(
        "the long side is rounded",
        old="other = int(pixels * photo[1 - side] / photo[side])",
        new="other = round(pixels * photo[1 - side] / photo[side])",
    ),
    _photos(
        "the centre begins at the whole pixel before",
        old="return round((size - part) / 2.0)",
        new="return (size - part) // 2",
    ),
    _photos(
        "photos of any network's size stay as they are",
        old='return self.resize == "fit" and photo == net',
        new="return photo == net",
    ),
    _photos(
        "a share of 0.875 begins at the nearest pixel",
        old="int((size - size * share) / 2)",
        new="round((size - size * share) / 2)",
    ),
    _photos(
        "pixels are sampled at their centres",
        file="mbc/runtime/sampling.py",
        old="np.arange(new, dtype=np.float32) *",
        new="(np.arange(new, dtype=np.float32) + np.float32(0.5)) *",
    ),
)
