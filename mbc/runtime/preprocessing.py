"""The preprocessing of photos as a value, which converts to and from text and dicts.

A photo is cropped and scaled by the rule `resize` with `filter`, its channels are put in `order`,
and each number becomes (value / range - mean) / std, in float32 and in this order of operations.

| resize        | what is done to a photo                                                        |
|---------------|--------------------------------------------------------------------------------|
| short:N       | the short side is scaled to N pixels, the long one to int(N * long / short),    |
|               | then the centre is cut out, from int(round((size - n) / 2)) on                  |
| short         | as short:N with N = round(n * 256 / 224) for a network of n x n pixels: 256 for |
|               | 224. If that is not square, n is the side that determines the scale             |
| fit           | as `short`, but a photo of the network's size is unchanged                      |
| stretch       | the photo is scaled to the network's size, regardless of its proportions        |
| central:SHARE | the centre with that share of each side is cut out, then scaled to that size    |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from mbc.records import dataclass
from mbc.runtime.normalisation import Normalisation, number_text, text_of

Size: TypeAlias = tuple[int, int]  # width and height, as Pillow has them

RESIZES = ("fit", "short", "stretch", "central")
FILTERS = ("bilinear", "bicubic", "sampled")
ORDERS = ("rgb", "bgr")
MAX_SIDE = 2**20


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of photos; the default is that of executables: value / 127.5 - 1."""

    resize: str = "fit"
    """One of RESIZES."""
    amount: float | None = None
    """Pixels of `short:N`, share of `central:SHARE`; None for all others."""
    filter: str = "bilinear"
    """One of FILTERS: Pillow's two, which antialias, or `sampled` (sampling.py)."""
    range: float = 127.5
    """Divisor of values 0…255."""
    mean: tuple[float, ...] = (1.0,)
    """One number, or one a channel, in the tensor's order of channels."""
    std: tuple[float, ...] = (1.0,)
    """One number, or one a channel."""
    order: str = "rgb"
    """Order of the channels in the tensor, one of ORDERS."""

    def __post_init__(self) -> None:
        """Check the fields; raises ValueError."""
        for name, found, known in (
            ("resize", self.resize, RESIZES),
            ("filter", self.filter, FILTERS),
            ("order", self.order, ORDERS),
        ):
            if found not in known:
                raise ValueError(f"{name} takes {', '.join(known)}, found '{found}'")
        _check_amount(self.resize, self.amount)
        Normalisation(self.range, self.mean, self.std)
        if len(self.mean) not in (1, 3) or len(self.std) not in (1, 3):
            raise ValueError("mean and std must be one number or three")

    def __str__(self) -> str:
        """Format as `resize=short:256 filter=bilinear range=255 mean=0.485,0.456,0.406 …`."""
        return " ".join(f"{name}={text_of(value)}" for name, value in self.to_dict().items())

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, such as JSON has."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        amount = values.pop("amount")
        resize = self.resize if amount is None else f"{self.resize}:{number_text(amount)}"
        return {**values, "resize": resize, "mean": list(self.mean), "std": list(self.std)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Preprocessing:
        """Invert `to_dict`; raises ValueError, TypeError or KeyError for other values."""
        resize, amount = _resize(str(values["resize"]))
        return Preprocessing(
            resize=resize,
            amount=amount,
            filter=values["filter"],
            range=float(values["range"]),
            mean=tuple(map(float, values["mean"])),
            std=tuple(map(float, values["std"])),
            order=values["order"],
        )

    @property
    def normalisation(self) -> Normalisation:
        """What becomes of the numbers alone."""
        return Normalisation(self.range, self.mean, self.std)

    def normalising(self, numbers: Normalisation) -> Preprocessing:
        """Replace range, mean and std."""
        return replace(self, range=numbers.range, mean=numbers.mean, std=numbers.std)

    def with_numbers(
        self, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
    ) -> Preprocessing:
        """Replace the mean or std by one for values 0…1; None keeps the present one."""
        if mean is None and std is None:
            return self
        scale = self.range / 255
        return replace(
            self,
            range=255.0,
            mean=mean or tuple(scale * value for value in self.mean),
            std=std or tuple(scale * value for value in self.std),
        )

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Normalise f32[h,w,c], values divided by `range`, to f32[1,h,w,c].

        Raises E0106 if mean or std have another number of channels.
        """
        self.normalisation.check(values.shape[2], "the input")
        ordered = values[..., ::-1] if self.order == "bgr" else values
        mean, std = (np.array(numbers, np.float32) for numbers in (self.mean, self.std))
        tensor: np.ndarray = (ordered - mean) / std
        return np.ascontiguousarray(tensor[np.newaxis])

    def keeps(self, photo: Size, net: Size) -> bool:
        """Whether a photo is neither cropped nor scaled."""
        return self.resize == "fit" and photo == net

    def box(self, photo: Size) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of the part that is scaled."""
        share = self.amount if self.resize == "central" and self.amount is not None else 1.0
        left, top = (int((size - size * share) / 2) for size in photo)
        return left, top, photo[0] - left, photo[1] - top

    def scaled(self, photo: Size, net: Size) -> Size:
        """Compute the size to which a photo is scaled before its centre is cut out."""
        if self.resize in ("stretch", "central"):
            return net
        if self.amount is not None:
            return _by_side(photo, 0 if photo[0] <= photo[1] else 1, int(self.amount))
        binding = 1 if net[1] * photo[0] >= net[0] * photo[1] else 0
        wanted = _by_side(photo, binding, round(net[binding] * 256 / 224))
        return max(wanted[0], net[0]), max(wanted[1], net[1])


def c_config(how: Preprocessing | None, *, bytes: bool = False) -> str:
    """Return the macro of mbc_net.h by which executables refuse photos; "" for the preprocessing
    that they have, or for any numbers where the network makes these of bytes."""
    plain = PRESETS["plain"]
    if how is not None and bytes:
        how = how.normalising(plain.normalisation)
    return "" if how in (None, plain) else f'#define MBC_PHOTOS "{how}"\n'


def _by_side(photo: Size, side: int, pixels: int) -> Size:
    """Scale a size so that one side has `pixels`; torchvision's rule for the other."""
    other = int(pixels * photo[1 - side] / photo[side])
    return (pixels, other) if side == 0 else (other, pixels)


def centre(size: int, part: int) -> int:
    """Compute the start of a centred part by torchvision's rule."""
    return round((size - part) / 2.0)


def _check_amount(resize: str, amount: float | None) -> None:
    if amount is not None and not math.isfinite(amount):
        raise ValueError("the number in resize= must be finite")
    match resize:
        case "short":
            right = amount is None or (amount == int(amount) and 1 <= amount <= MAX_SIDE)
            wanted = f"whole pixels up to {MAX_SIDE}, as in short:256"
        case "central":
            right = amount is not None and 0 < amount <= 1
            wanted = "the share of each side, as in central:0.875"
        case _:
            right, wanted = amount is None, "no number"
    if not right:
        raise ValueError(f"resize={resize} takes {wanted}")


def parse(text: str) -> Preprocessing:
    """Parse a preset's name, `name=value` pairs with spaces between, or a preset followed by pairs.

    Raises ValueError for anything else.
    """
    base, values = PRESETS["plain"], dict[str, str]()
    for number, word in enumerate(text.split()):
        name, equals, value = word.partition("=")
        if not equals and number == 0 and word in PRESETS:
            base = PRESETS[word]
        elif not equals or name not in _PARTS or name in values:
            parts = ", ".join(f"{part}=" for part in _PARTS)
            raise ValueError(f"takes {', '.join(PRESETS)}, or {parts} once each, found '{word}'")
        else:
            values[name] = value
    parsed = {name: _PARTS[name](value) for name, value in values.items()}
    return Preprocessing.from_dict({**base.to_dict(), **parsed})


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


_PARTS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"resize": str, "filter": str, "range": float, "mean": _numbers, "std": _numbers, "order": str}
)


def _resize(text: str) -> tuple[str, float | None]:
    rule, colon, amount = text.partition(":")
    return rule, float(amount) if colon else None


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

PRESETS: Mapping[str, Preprocessing] = MappingProxyType(
    {
        "plain": Preprocessing(),
        "tf": Preprocessing("central", 0.875, "sampled", 255.0, (0.5,), (0.5,)),
        "torch": Preprocessing("short", None, "bilinear", 255.0, *IMAGENET),
        "unit": Preprocessing(range=255.0, mean=(0.0,)),
        "raw": Preprocessing(range=1.0, mean=(0.0,)),
    }
)


def parse_normalisation(text: str) -> Normalisation:
    """Parse the argument of --normalize: `imagenet`, the name of a preset, or MEAN/STD of bytes
    that are divided by 255. Raises ValueError for anything else."""
    known = {"imagenet": PRESETS["torch"], **PRESETS}
    if text in known:
        return known[text].normalisation
    mean, slash, std = text.partition("/")
    try:
        return Normalisation(255.0, tuple(_numbers(mean)), tuple(_numbers(std if slash else "")))
    except ValueError as problem:
        why = f": {problem}" if slash else ""
        raise ValueError(f"takes {', '.join(known)}, or MEAN/STD, found '{text}'{why}") from None
