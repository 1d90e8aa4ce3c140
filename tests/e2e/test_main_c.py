"""The stand-alone main around two small networks in C: every option, every kind of bad file."""

import io
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.main_programs import HOST, PAIR, PAIR_C, TWICE, TWICE_C, executable


class Program:
    """A built network; `run` starts it in `folder`, where its files are."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.command, self.folder = command, folder

    def run(self, *words: str, code: int = 0, before: tuple[str, ...] = ()) -> tuple[str, str]:
        """What it prints to stdout and stderr."""
        done = subprocess.run(
            [*before, *self.command, *words], cwd=self.folder, capture_output=True, text=True
        )
        assert done.returncode == code, done
        return done.stdout, done.stderr

    def save(self, name: str, array: np.ndarray) -> None:
        np.save(self.folder / name, array)

    def load(self, name: str) -> np.ndarray:
        array: np.ndarray = np.load(self.folder / name)
        return array


@pytest.fixture(params=["x86_64", "aarch64"])
def twice(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Program:
    return Program(executable(tmp_path_factory, TWICE, TWICE_C, request.param), tmp_path)


@pytest.fixture
def native(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(executable(tmp_path_factory, TWICE, TWICE_C, HOST), tmp_path)


@pytest.fixture
def pair(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(executable(tmp_path_factory, PAIR, PAIR_C, HOST), tmp_path)


def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 2, 4, 3)).astype(np.float32)


def npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version)
    return stream.getvalue()


def with_header(text: str, data: bytes = bytes(96)) -> bytes:
    """A .npy file whose header says `text`."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + data


# ---- results ---------------------------------------------------------------------------------


def test_subnormal_numbers_count_as_zero(twice: Program) -> None:
    twice.save("x.npy", image() * np.float32(1e-39))
    twice.run("--input", "x.npy", "--output", "y.npy")
    assert not twice.load("y.npy").any()


def test_npy_in_npy_out(twice: Program) -> None:
    twice.save("x.npy", image())
    assert twice.run("--input", "x.npy", "--output", "y.npy") == ("", "")
    assert np.array_equal(twice.load("y.npy"), image().reshape(1, 24) * 2)
    assert (twice.folder / "y.npy").read_bytes() == npy(image().reshape(1, 24) * 2)
    assert sorted(path.name for path in twice.folder.iterdir()) == ["x.npy", "y.npy"]


def test_ppm_is_scaled_to_plus_minus_one(twice: Program) -> None:
    values = np.random.default_rng(1).integers(0, 256, 24, dtype=np.uint8)
    header = b"P6\n# made by hand\n4 # width\n2\n255\n"
    (twice.folder / "cat.ppm").write_bytes(header + values.tobytes())
    twice.run("--input", "cat.ppm", "--output", "y.npy")
    scaled = values.astype(np.float32) / np.float32(127.5) - np.float32(1)
    assert np.array_equal(twice.load("y.npy"), scaled.reshape(1, 24) * 2)


def test_top_and_bench(twice: Program) -> None:
    twice.save("x.npy", np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3) / 3)
    top, _ = twice.run("--input=x.npy", "--top=3")
    assert top == "1 23 15.3333\n2 22 14.6667\n3 21 14\n"
    bench, _ = twice.run("--input", "x.npy", "--bench", "4")
    found = re.fullmatch(r"min (\S+) ms, median (\S+) ms, 4 runs, 1 thread\n", bench)
    assert found
    assert 0 <= float(found[1]) <= float(found[2]) < 1000


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_each_version_of_npy(native: Program, version: tuple[int, int]) -> None:
    (native.folder / "x.npy").write_bytes(npy(image(), version))
    native.run("--input", "x.npy", "--output", "y.npy")
    assert np.array_equal(native.load("y.npy"), image().reshape(1, 24) * 2)


def test_a_header_written_by_another_program(native: Program) -> None:
    header = '{"shape":(1,2,4,3),"fortran_order":False,"descr":"<f4"}'
    (native.folder / "x.npy").write_bytes(with_header(header, image().tobytes()))
    native.run("--input", "x.npy", "--output", "y.npy")
    assert np.array_equal(native.load("y.npy"), image().reshape(1, 24) * 2)


def test_nothing_asked_gives_a_summary(native: Program) -> None:
    native.save("x.npy", np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3))
    stdout, _ = native.run("--input", "x.npy")
    assert stdout.splitlines()[0] == "y (1, 24): min 0, mean 23, max 46"
    assert stdout.splitlines()[1:] == [f"{i + 1} {23 - i} {46 - 2 * i}" for i in range(5)]


def test_equal_values_rank_by_index_and_nan_last(native: Program) -> None:
    array = np.zeros((1, 2, 4, 3), np.float32)
    array.flat[3], array.flat[5], array.flat[7] = np.nan, np.inf, -np.inf
    native.save("x.npy", array)
    ranks = [line.split() for line in native.run("--input", "x.npy", "--top", "99")[0].splitlines()]
    zeros = [i for i in range(24) if i not in (3, 5, 7)]
    assert [int(index) for _, index, _ in ranks] == [5, *zeros, 7, 3]
    assert ranks[0] == ["1", "5", "inf"]


def test_several_inputs_and_outputs(pair: Program) -> None:
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([9, 0, 5], np.float32)
    pair.save("a.npy", a)
    pair.save("b.npy", b)
    inputs = ("--input", "a.npy", "--input", "b.npy")
    outputs = ("--output", "s.npy", "--output", "k.npy")
    stdout, _ = pair.run(*inputs, *outputs, "--top", "1")
    assert np.array_equal(pair.load("s.npy"), a + b)
    assert np.array_equal(pair.load("k.npy"), np.float32(9))
    rows = ["# sum row 0", "1 0 9", "# sum row 1", "1 0 12", "# scale row 0", "1 0 9"]
    assert stdout.splitlines() == rows
    summary, _ = pair.run(*inputs)
    assert "scale (): min 9, mean 9, max 9" in summary


def test_help(native: Program, pair: Program) -> None:
    text, errors = native.run("--help")
    assert errors == ""
    for part in ("x: float32 (1, 2, 4, 3)", "y: float32 (1, 24)", "/127.5 - 1", "--bench N"):
        assert part in text
    assert text.startswith("usage: net --input x.npy [--output")
    assert "usage: pair --input a.npy --input b.npy" in pair.run("-h")[0]


# ---- the command line ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no --input for x"),
        (["--top", "5"], "no --input for x"),
        (["--input"], "--input needs a value"),
        (["--input", "x.npy", "--input", "x.npy"], "more inputs than the network has (1): 'x.npy'"),
        (["--output=a", "--output=b"], "more outputs than the network has (1): 'b'"),
        (["--inptu", "x.npy"], "unknown option '--inptu'"),
        (["x.npy"], "unknown option 'x.npy'"),
        (["--top", "0"], "--top needs a number from 1 to 1000000, not '0'"),
        (["--top", "5x"], "--top needs a number from 1 to 1000000, not '5x'"),
        (["--top", ""], "--top needs a number from 1 to 1000000, not ''"),
        (["--bench", "-3"], "--bench needs a number from 1 to 10000, not '-3'"),
        (["--bench", "9" * 30], f"--bench needs a number from 1 to 10000, not '{'9' * 30}'"),
    ],
)
def test_wrong_use(native: Program, words: list[str], message: str) -> None:
    stdout, stderr = native.run(*words, code=2)
    assert stdout == ""
    assert stderr.splitlines()[0] == f"error[E0101]: {message}"
    assert stderr.splitlines()[1].startswith("usage: net --input x.npy")


def test_one_input_of_two(pair: Program) -> None:
    assert "error[E0101]: no --input for b\n" in pair.run("--input", "a.npy", code=2)[1]


# ---- bad files -------------------------------------------------------------------------------

GOOD = npy(image())
PPM = b"P6 4 2 255\n" + bytes(24)
SHAPE = "input x of the network needs (1, 2, 4, 3)"

BAD_INPUTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "truncated: 0 of 2 bytes of any known format"),
    "text": (b"hello, world", 'neither .npy nor .ppm (binary, "P6")'),
    "short text": (b"hey", 'neither .npy nor .ppm (binary, "P6")'),
    "plain ppm": (b"P3 4 2 255 1 2 3", 'neither .npy nor .ppm (binary, "P6")'),
    "no version": (GOOD[:7], "truncated: 1 of 4 bytes of the .npy header"),
    "cut header": (GOOD[:60], "truncated: 50 of 118 bytes of the .npy header"),
    "cut data": (GOOD[:-1], "truncated: 95 of 96 bytes of the tensor"),
    "more data": (GOOD + b"\0", "oversize: more data follows the tensor"),
    "version 9": (b"\x93NUMPY\x09" + GOOD[7:], ".npy format 9 is unknown; 1 to 3 are read"),
    "long header": (
        b"\x93NUMPY\x02\x00\x00\x00\x01\x00" + bytes(70000),
        "the .npy header is longer than 65535",
    ),
    "float64": (npy(image().astype("<f8")), "dtype '<f8', the network needs '<f4'"),
    "big endian": (npy(image().astype(">f4")), "dtype '>f4', the network needs '<f4'"),
    "bytes": (npy(np.zeros((1, 2, 4, 3), np.uint8)), "dtype '|u1', the network needs '<f4'"),
    "record": (npy(np.zeros(3, [("shape", "<f4")])), "the network needs '<f4'"),
    "fortran": (npy(np.asfortranarray(image())), "Fortran order; save it in C order"),
    "no batch": (npy(image()[0]), f"shape (2, 4, 3), {SHAPE}"),
    "nchw": (npy(image().transpose(0, 3, 1, 2).copy()), f"shape (1, 3, 2, 4), {SHAPE}"),
    "vector": (npy(np.zeros(24, np.float32)), f"shape (24,), {SHAPE}"),
    "scalar": (npy(np.zeros((), np.float32)), f"shape (), {SHAPE}"),
    "rank 9": (npy(np.zeros([1] * 9, np.float32)), "the .npy header has no usable shape"),
    "no dictionary": (with_header("nonsense"), "the .npy header cannot be understood"),
    "no header": (with_header(""), "the .npy header cannot be understood"),
    "header ends early": (
        with_header("'fortran_order': False, 'shape': (1,), 'descr':"),
        "dtype , the network needs '<f4'",
    ),
    "shape of words": (
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (a, b)}"),
        "the .npy header has no usable shape",
    ),
    "huge shape": (
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (%s,)}" % ("9" * 40)),
        SHAPE,
    ),
    "other size": (
        b"P6 5 6 255\n" + bytes(90),
        "the image is 5x6 (width x height), the network needs 4x2",
    ),
    "ppm header": (b"P6 4 2 ", "the .ppm header cannot be understood"),
    "ppm comment": (b"P6 4 # endless", "the .ppm header cannot be understood"),
    "ppm maximum": (b"P6 4 2 65535\n" + bytes(48), "the largest value is 65535; only 255 is read"),
    "cut ppm": (PPM[:-3], "truncated: 21 of 24 bytes of the image"),
    "long ppm": (PPM + PPM, "oversize: more data follows the image"),
}


@pytest.mark.parametrize("kind", BAD_INPUTS)
def test_bad_input(native: Program, kind: str) -> None:
    content, message = BAD_INPUTS[kind]
    (native.folder / "bad file").write_bytes(content)
    stdout, stderr = native.run("--input", "bad file", "--output", "y.npy", code=1)
    assert stdout == ""
    assert re.match(r"error\[E07(04|05|10)\]: bad file: ", stderr)
    assert message in stderr
    assert stderr.count("\n") == 1
    assert [path.name for path in native.folder.iterdir()] == ["bad file"]


def test_a_file_that_cannot_be_opened(native: Program) -> None:
    missing = native.run("--input", "missing.npy", code=1)[1]
    assert missing == "error[E0701]: missing.npy: No such file or directory\n"
    assert native.run("--input", ".", code=1)[1] == "error[E0701]: .: Is a directory\n"


def test_a_photo_for_an_input_that_is_none(pair: Program) -> None:
    pair.save("b.npy", np.zeros(3, np.float32))
    (pair.folder / "cat.ppm").write_bytes(PPM)
    error = pair.run("--input", "cat.ppm", "--input", "b.npy", code=1)[1]
    assert (
        error == "error[E0706]: cat.ppm: input a of shape (2, 3) is no RGB image; give it a .npy\n"
    )


def test_a_network_that_fails(native: Program) -> None:
    native.save("x.npy", np.full((1, 2, 4, 3), -1234, np.float32))
    error = native.run("--input", "x.npy", "--output", "y.npy", code=1)[1]
    assert error == "error[E0901]: net: the network returned 7\n"
    assert not (native.folder / "y.npy").exists()


# ---- outputs that cannot be written ----------------------------------------------------------

NO_ROOM = ("sh", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$0" "$@"')


def test_a_full_disk_leaves_the_old_output(native: Program) -> None:
    native.save("x.npy", image())
    (native.folder / "y.npy").write_bytes(b"old")
    error = native.run("--input", "x.npy", "--output", "y.npy", code=1, before=NO_ROOM)[1]
    assert error == "error[E0703]: y.npy: File too large\n"
    assert (native.folder / "y.npy").read_bytes() == b"old"
    assert sorted(path.name for path in native.folder.iterdir()) == ["x.npy", "y.npy"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no/y.npy", "No such file or directory"),
        ("/dev/full", "No space left on device"),
        ("n" * 5000, "[Ff]ile ?name too long"),
        (".", "Is a directory"),
    ],
)
def test_an_output_that_cannot_be_written(native: Program, path: str, reason: str) -> None:
    native.save("x.npy", image())
    error = native.run("--input", "x.npy", "--output", path, code=1)[1]
    assert re.fullmatch(rf"error\[E0703\]: {re.escape(path)}: {reason}\n", error)
    assert Path("/dev/full").is_char_device()


def test_a_device_is_written_and_not_replaced(native: Program) -> None:
    native.save("x.npy", image())
    words = [*native.command, "--input", "x.npy", "--output", "/dev/stdout"]
    done = subprocess.run(words, cwd=native.folder, capture_output=True, check=True)
    assert np.array_equal(np.load(io.BytesIO(done.stdout)), image().reshape(1, 24) * 2)


def test_a_result_that_nobody_can_read_is_an_error(native: Program) -> None:
    native.save("x.npy", image())
    command = (*native.command, "--input", "x.npy", "--top", "1")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=native.folder, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (1, "error[E0703]: stdout: No space left on device\n")
