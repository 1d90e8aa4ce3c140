"""The bad input that users give, by subject."""

from tests.hostile.cases import board, files, networks, text, tools, weights, words

CASES = (
    *networks.CASES,
    *weights.CASES,
    *text.CASES,
    *words.CASES,
    *files.CASES,
    *tools.CASES,
    *board.CASES,
)
