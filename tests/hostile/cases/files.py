"""Outputs that cannot be written, inputs that are none."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.hostile.cases.case import Case

HEADER = "--target arm64 --emit header"


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def png(width: int = 20, height: int = 20) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


def bomb() -> bytes:
    """An image that says it is larger than it is."""
    whole = png()
    head = b"IHDR" + struct.pack(">II", 50_000, 50_000) + whole[24:29]
    return whole[:12] + head + struct.pack(">I", zlib.crc32(head)) + whole[33:]


def fed(name: str, file: str, content: bytes | str, options: str = "") -> Case:
    command = f"mbc run tiny.py --input {file} {options}".strip()
    return Case(f"input: {name}", command, {file: content})


IMAGE = np.zeros((1, 16, 16, 3), np.float32)
GOOD = npy(IMAGE)
PHOTO = {"cat.png": png()}
LABELS = "mbc run tiny.py --input cat.png --labels labels.txt"

CASES = (
    # ---- outputs ----
    Case("a file where the folder should be", f"mbc compile tiny.py {HEADER} -o tiny.py"),
    Case("a file above the folder", f"mbc compile tiny.py {HEADER} -o tiny.py/a/b"),
    Case("a folder of others", f"mbc compile tiny.py {HEADER} -o mine", {"mine/thesis.txt": "a"}),
    Case("the current folder", f"mbc compile tiny.py {HEADER} -o ."),
    Case("a file of others in a bundle", f"mbc compile tiny.py {HEADER} -o out",
         {"out/notes.txt": "a", "out/more/notes.txt": "b"}),
    Case("a folder that cannot be", f"mbc compile tiny.py {HEADER} -o /proc/mbc/out"),
    Case("a name that is too long", f"mbc compile tiny.py {HEADER} -o {'n' * 300}"),
    Case("a folder without rights", f"mbc compile tiny.py {HEADER} -o new/deep", nobody=True),
    Case("a bundle without rights", f"mbc compile tiny.py {HEADER} -o out", nobody=True),
    Case("text without rights", "mbc opt out/tiny.mbc -o new/net.mbc", nobody=True),
    Case("text over a folder", "mbc opt out/tiny.mbc -o out"),
    Case("a network that exists", "mbc new mobilenet_v1.py -o tiny.py"),
    Case("dumps where a file is", "mbc compile tiny.py --stop-after fuse --dump-ir=tiny.py"),
    Case("a tensor into no folder", "mbc run tiny.py --input x.npy --output no/y.npy",
         {"x.npy": GOOD}),
    Case("a tensor over a folder", "mbc run tiny.py --input x.npy --output out",
         {"x.npy": GOOD}),
    Case("a photo into no folder", "mbc preprocess cat.png --for tiny.py -o no/y.npy", PHOTO),
    # ---- tensors ----
    Case("input: none", "mbc run tiny.py", status=2),
    Case("input: two for one", "mbc run tiny.py --input x.npy --input x.npy", {"x.npy": GOOD}, 2),
    Case("input: no such file", "mbc run tiny.py --input x.npy"),
    Case("input: a folder", "mbc run tiny.py --input out"),
    Case("input: without rights", "mbc run tiny.py --input secret.npy", {"secret.npy": GOOD},
         nobody=True),
    fed("another shape", "x.npy", npy(IMAGE[:, :8])),
    fed("channels first", "x.npy", npy(IMAGE.transpose(0, 3, 1, 2))),
    fed("words", "x.npy", npy(np.full((1, 16, 16, 3), "a"))),
    fed("complex numbers", "x.npy", npy(IMAGE.astype(np.complex64))),
    fed("cut off", "x.npy", GOOD[:-1]),
    fed("more data", "x.npy", GOOD + b"\0"),
    fed("no .npy", "x.npy", "hello"),
    fed("Python objects", "x.npy", npy(np.array([{}], dtype=object))),
    fed("a huge tensor", "x.npy", GOOD.replace(b"(1, 16, 16, 3)", b"(1, 9999999999)")),
    # ---- photos ----
    fed("no image", "x.png", "hello"),
    fed("a cut image", "x.png", png()[:300]),
    fed("an image of nothing", "x.png", ""),
    fed("an image that explodes", "x.png", bomb()),
    fed("an image for a batch", "cat.png", png(), "--batch 2"),
    fed("a crop that is too large", "cat.png", png(), "--resize 12"),
    fed("options for photos", "x.npy", GOOD, "--mean 0.4"),
    Case("labels: too few", LABELS, {"labels.txt": "cat\ndog\n", **PHOTO}),
    Case("labels: one too many", LABELS, {"labels.txt": "a\n" * 11, **PHOTO}),
    Case("labels: no text", LABELS, {"labels.txt": b"\xff" * 9, **PHOTO}),
    Case("no manifest", "mbc preprocess cat.png --for mine -o x.npy",
         {"mine/manifest.json": "{}", **PHOTO}),
    Case("no input of that name", "mbc preprocess cat.png --for out --input inptu -o x.npy", PHOTO),
    Case("a size of nothing", "mbc preprocess cat.png --size 0x16 -o x.npy", PHOTO, 2),
)  # fmt: skip
