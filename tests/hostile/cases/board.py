"""What the executable on the board says; `./tiny` is that of the network."""

import numpy as np

from tests.hostile.cases.case import Case
from tests.hostile.cases.files import GOOD, IMAGE, npy


def fed(name: str, content: bytes | str, file: str = "x.npy") -> Case:
    return Case(f"board: {name}", f"./tiny --input {file} --output y.npy", {file: content})


CASES = (
    Case("board: no input", "./tiny", status=2),
    Case("board: an unknown option", "./tiny --inptu x.npy", status=2),
    Case("board: no such file", "./tiny --input x.npy"),
    Case("board: a folder", "./tiny --input out"),
    fed("another shape", npy(IMAGE[:, :8])),
    fed("channels first", npy(np.ascontiguousarray(IMAGE.transpose(0, 3, 1, 2)))),
    fed("another type", npy(IMAGE.astype(np.float64))),
    fed("bytes", npy(np.zeros((1, 16, 16, 3), np.uint8))),
    fed("cut off", GOOD[:-1]),
    fed("cut off in the header", GOOD[:50]),
    fed("more data", GOOD + b"\0"),
    fed("an empty file", b""),
    fed("text", "hello, world"),
    fed("a photo of another size", b"P6 8 8 255\n" + bytes(192), "x.ppm"),
    fed("a cut photo", b"P6 16 16 255\n" + bytes(700), "x.ppm"),
    Case("board: no folder", "./tiny --input x.npy --output no/y.npy", {"x.npy": GOOD}),
    Case("board: a CPU that there is not", "./tiny --input x.npy --cpus 900", {"x.npy": GOOD}),
    Case("board: no CPU", "./tiny --input x.npy --cpus fast", {"x.npy": GOOD}, 2),
)
