"""The file of a quantisation: what is written is read, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbc.diag import MbcError
from mbc.int8.file import Measured, Origin, network_digest, read_quantisation, weights_digest
from mbc.int8.quantisation import Quantisation, Range
from mbc.ir.graph import Graph
from mbc.ir.text import parse
from tests.numeric.test_passes import bind

ORIGIN = Origin("net", "0123456789abcdef", "fedcba9876543210", "mse", 300, "images", "range=1.0")
FOUND = Measured(
    Quantisation(
        {"x": Range(-1.0, 1.0), "a.b/c:0": Range(0.0, float(np.float32(0.1)))},
        frozenset(["fc", "stem"]),
        7,
        {"a.b/c:0": np.array([0.5, -1e-9, 3.0], np.float32)},
    ),
    ORIGIN,
)
TEXT = """\
# Ranges of net for 8-bit codes (mbc quantize).
format = 1
weight_bits = 7
keep_float = ["fc", "stem"]

[network]
name = "net"
layers = "0123456789abcdef"
weights = "fedcba9876543210"

[calibration]
method = "mse"
samples = 300
source = "images"
preprocessing = "range=1.0"

[ranges]  # least and largest number; the scale and the zero point that follow
"x" = [-1.0, 1.0]  # 0.007843138, 127
"a.b/c:0" = [0.0, 0.1]

[corrections]  # added to the biases
"a.b/c:0" = [0.5, -1e-09, 3.0]
"""

f32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
ranges = st.builds(Range, f32.map(lambda x: -abs(x)), f32.map(abs))


def read(text: str | bytes, folder: Path) -> Measured:
    path = folder / "net.q"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_quantisation(path)


def same(found: Measured, wanted: Measured) -> bool:
    ours, theirs = found.quantisation, wanted.quantisation
    assert ours.corrections.keys() == theirs.corrections.keys()
    for name, numbers in theirs.corrections.items():
        np.testing.assert_array_equal(ours.corrections[name], numbers)
    plain = [replace(each, corrections={}) for each in (ours, theirs)]
    return plain[0] == plain[1] and found.origin == wanted.origin


def test_the_text() -> None:
    assert FOUND.text({"x": Range(-1.0, 1.0).element}) == TEXT


def test_it_comes_back(tmp_path: Path) -> None:
    assert same(read(TEXT, tmp_path), FOUND)
    plain = Measured(Quantisation({}), replace(ORIGIN, preprocessing=""))
    assert same(read(plain.text({}), tmp_path), plain)


@given(named=st.dictionaries(st.text(), ranges), network=st.text())
def test_any_names_and_numbers_come_back(
    tmp_path_factory: pytest.TempPathFactory, named: dict[str, Range], network: str
) -> None:
    try:
        "".join([*named, network]).encode()
    except UnicodeEncodeError:
        return
    origin = replace(ORIGIN, network=network, preprocessing=network)
    found = Measured(Quantisation(named, frozenset(named)), origin)
    assert same(read(found.text({}), tmp_path_factory.getbasetemp()), found)


def spoilt(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "there is no 'format'"),
    "no text": (b"\xff\xfe\x00", "it is no text"),
    "no TOML": ("= 3", "Invalid"),
    "another format": (spoilt("format = 1", "format = 2"), "its format is 2, this mbc reads 1"),
    "bits": (spoilt("weight_bits = 7", "weight_bits = 4"), "weight_bits is 4, of (8, 7)"),
    "bits as text": (spoilt("weight_bits = 7", 'weight_bits = "7"'), "weight_bits is no whole"),
    "a truth": (spoilt("samples = 300", "samples = true"), "samples is no whole number above 0"),
    "no samples": (spoilt("samples = 300", "samples = 0"), "samples is no whole number above 0"),
    "a method": (spoilt('"mse"', '"kl"'), "method is 'kl', none of minmax, mse"),
    "a source": (spoilt('"images"', '"dreams"'), "source is 'dreams'"),
    "names": (spoilt('["fc", "stem"]', '["fc", 3]'), "keep_float is no list of names"),
    "a table": (spoilt("[ranges]", "[range]"), "there is no 'ranges'"),
    "more": (spoilt("format = 1", "format = 1\nspeed = 3"), "the file has an entry 'speed'"),
    "more inside": (spoilt("samples = 300", "samples = 300\nx = 1"), "[calibration] has an entry"),
    "one end": (spoilt("[-1.0, 1.0]", "[-1.0]"), "'x' has not 2 numbers"),
    "no 0": (spoilt("[-1.0, 1.0]", "[0.5, 1.0]"), "a range is finite and has 0 in it, found 0.5"),
    "NaN": (spoilt("[-1.0, 1.0]", "[nan, 1.0]"), "'x' has numbers that are no finite float32"),
    "infinity": (spoilt("[-1.0, 1.0]", "[-1.0, inf]"), "'x' has numbers that are no finite"),
    "too large": (spoilt("[-1.0, 1.0]", "[-1.0, 1e39]"), "'x' has numbers that are no finite"),
    "huge": (spoilt("[-1.0, 1.0]", f"[-1.0, 1{'0' * 400}]"), "int too large"),
    "text": (spoilt("[-1.0, 1.0]", '["a", 1.0]'), "'x' has something that is no number"),
    "a number": (spoilt("[-1.0, 1.0]", "1.0"), "'x' has not 2 numbers"),
    "twice": (spoilt('"x" =', '"x" = [0, 0]\n"x" ='), "Cannot overwrite"),
    "deep": (spoilt("[-1.0, 1.0]", "[" * 5000), "net.q is no file of mbc quantize"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_such_file(name: str, tmp_path: Path) -> None:
    text, why = HOSTILE[name]
    with pytest.raises(MbcError, match="E0555") as caught:
        read(text, tmp_path)
    assert why in str(caught.value)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MbcError, match="E0701"):
        read_quantisation(tmp_path / "missing.q")


def network(resolution: int = 8, channels: int = 4, op: str = "relu", seed: int = 0) -> Graph:
    type = f"f32[1,{resolution},{resolution},{channels}]"
    graph = parse(f"""graph @g(%x: f32[1,{resolution},{resolution},3]) {{
  const @w : f32[1,1,3,{channels}]
  %0 = conv2d(%x, @w) : {type}
  %1 = {op}(%0) : {type}
  return %1
}}""")
    bind(graph, seed)
    return graph


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (network(), ""),
        (network(resolution=16), ""),
        (network(channels=8), "other layers"),
        (network(op="relu6"), "other layers"),
        (network(seed=1), "with other weights"),
    ],
)
def test_whose_file_it_is(other: Graph, why: str, tmp_path: Path) -> None:
    graph = network()
    origin = replace(
        ORIGIN, network_digest=network_digest(graph), weights_digest=weights_digest(graph)
    )
    measured = Measured(FOUND.quantisation, origin)
    if not why:
        measured.check(other, tmp_path)
        return
    with pytest.raises(MbcError, match="E0556") as caught:
        measured.check(other, tmp_path)
    assert why in str(caught.value)
