"""What docs/views.md says between its blocks."""

import re

from tests.views_page import PAGE, SHOWN, answers

PERFORMANCE = PAGE.with_name("performance.md")


def test_what_is_quoted_between_the_blocks_stands_in_them() -> None:
    """Offsets, pitches and constants that sentences speak of, and the measured ratio."""
    text = PAGE.read_text()
    blocks = "".join(block for _, _, block in SHOWN.findall(text))
    quoted = re.findall(r"`(at \d+(?: pitch \d+)?|@[\w.]+)`", text)
    assert len(quoted) >= 3
    assert all(each in blocks for each in quoted), quoted
    (ratio,) = re.findall(r"takes (\d\.\d+) times", text)
    assert f"| ShuffleNetV1 1x, g=3 | 2.54 | 2.54 | {ratio} |" in PERFORMANCE.read_text()


def test_the_unit_computes_the_same_after_each_step() -> None:
    before, *after = answers()
    assert before.any()
    assert all((answer == before).all() for answer in after)
