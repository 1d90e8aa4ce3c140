"""What docs/blocks.md says between its blocks."""

from tests.blocks_page import SHOWS


def test_what_is_said_of_the_layers_holds() -> None:
    """Ten times the limit of the board, and hardly more than it."""
    rows = [line.split() for line in SHOWS["separable-layers"]().splitlines()[1:]]
    depthwise, pointwise = (float(row[-1]) / (12 / 8) for row in rows)
    assert 1 < depthwise < 2
    assert pointwise > 10
