"""Random changes to texts and bytes; the same for the same state of the generator."""

import json
import re
from collections.abc import Callable, Sequence
from random import Random

import numpy as np

TOKEN = re.compile(r"\s+|[%@#]?[A-Za-z0-9_.]+|->|.", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
KINDS = (r"\s+", r"%\w+", r"@[\w.]+", r"#\w+", r"[\d.]+", r"[A-Za-z_][\w.]*", r"\W")

NUMBERS = (
    *("-1", "0", "1", "2", "3", "4", "5", "7", "8", "9", "12", "16", "31", "64", "127", "255"),
    *("1000", "4095", "65536", "999999", "16777217", "2147483648", "4294967296"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "9" * 30),
    *("0.5", "-0.0", "1e-5", "1e9", "1e999", "0x10", "007", "1_0"),
)
ODD = "\0\t\r\n\v\f\x1b\x7f\x85 \\\"'`;#%@?!$&|~^<>()[]{}=*+-/.,:éß中😀\u202e\u2028\ufeff\ud800"

TextEdit = Callable[[Random, str, Sequence[str]], str]
BytesEdit = Callable[[Random, bytes], bytes]


def some(random: Random) -> int:
    """How many changes: mostly one or two, for more of them hide each other."""
    return random.choice((1, 1, 1, 1, 2, 2, 3, 6))


WORDS = (0, 1, 4, 255, 2**16, 2**20, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
"""Offsets, counts and extents that files do not have."""


def mutate_words(random: Random, data: bytes) -> bytes:
    """Binary data of words with a few other bytes and words in it, where nothing is moved; now and
    then cut off."""
    changed = bytearray(data)
    for _ in range(some(random)):
        place = random.randrange(len(changed))
        if random.random() < 0.3:
            word = random.choice(WORDS).to_bytes(4, "little")
            changed[place // 4 * 4 : place // 4 * 4 + 4] = word
        else:
            changed[place] = random.randrange(256)
    return bytes(changed[: len(data) if random.random() < 0.95 else random.randrange(len(data))])


# ---- text ------------------------------------------------------------------------------------


def mutate_text(random: Random, text: str, others: Sequence[str]) -> bytes:
    """The text after a few edits, encoded; `others` are where tokens and parts may come from."""
    for _ in range(some(random)):
        text = random.choice(TEXT_EDITS)(random, text, others)
    data = text.encode("utf-8", "surrogatepass")
    return mutate_bytes(random, data) if random.random() < 0.05 else data


def _change_token(random: Random, text: str, change: Callable[[str], str]) -> str:
    tokens = TOKEN.findall(text) or [""]
    index = random.randrange(len(tokens))
    return "".join([*tokens[:index], change(tokens[index]), *tokens[index + 1 :]])


def replace_token(random: Random, text: str, others: Sequence[str]) -> str:
    tokens: list[str] = TOKEN.findall(random.choice(others))
    return _change_token(random, text, lambda _: random.choice(tokens))


def replace_alike(random: Random, text: str, others: Sequence[str]) -> str:
    """By a token of the same kind, which gets further than any other."""
    tokens: list[str] = TOKEN.findall(random.choice(others))

    def change(token: str) -> str:
        kind = next(kind for kind in KINDS if re.match(kind, token) or kind == KINDS[-1])
        return random.choice([t for t in tokens if re.match(kind, t)] or [token])

    return _change_token(random, text, change)


def replace_everywhere(random: Random, text: str, others: Sequence[str]) -> str:
    """A word, a name or a number wherever it stands: what agreed before still does."""
    tokens = [token for token in TOKEN.findall(text) if re.match(r"[\w%@]", token)]
    old = random.choice(tokens or [" "])
    new = random.choice(NUMBERS) if NUMBER.fullmatch(old) else replace_alike(random, old, others)
    return "".join(new if token == old else token for token in TOKEN.findall(text))


def replace_number(random: Random, text: str, _: Sequence[str]) -> str:
    found = list(NUMBER.finditer(text))
    if not found:
        return text
    at = random.choice(found)
    value = random.choice(NUMBERS)
    if random.random() < 0.3:
        value = str(int(float(at.group()[:9])) + random.choice((-2, -1, 1, 2)))
    return f"{text[: at.start()]}{value}{text[at.end() :]}"


def delete_token(random: Random, text: str, _: Sequence[str]) -> str:
    return _change_token(random, text, lambda _: "")


def repeat_token(random: Random, text: str, _: Sequence[str]) -> str:
    """Once more, or so often that whoever recurses is in trouble."""
    times = random.choice((2, 2, 2, 3, 40, 3000))
    return _change_token(random, text, lambda token: token * times)


def swap_tokens(random: Random, text: str, _: Sequence[str]) -> str:
    tokens = TOKEN.findall(text)
    if len(tokens) < 2:
        return text
    a, b = random.sample(range(len(tokens)), 2)
    tokens[a], tokens[b] = tokens[b], tokens[a]
    return "".join(tokens)


def move_line(random: Random, text: str, _: Sequence[str]) -> str:
    """Or drop it, or have it twice."""
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    source, place = random.randrange(len(lines)), random.randrange(len(lines))
    line = lines[source]
    if random.random() < 0.7:
        del lines[source]
    if random.random() < 0.7:
        lines.insert(place, line)
    return "".join(lines)


def take_line(random: Random, text: str, others: Sequence[str]) -> str:
    """A line of another text."""
    lines = text.splitlines(keepends=True)
    line = random.choice(random.choice(others).splitlines(keepends=True))
    lines.insert(random.randrange(len(lines) + 1), line)
    return "".join(lines)


def insert_odd(random: Random, text: str, _: Sequence[str]) -> str:
    at = random.randrange(len(text) + 1)
    return f"{text[:at]}{random.choice(ODD)}{text[at:]}"


def cut_text(random: Random, text: str, _: Sequence[str]) -> str:
    return text[: random.randrange(len(text) + 1)]


def graft(random: Random, text: str, others: Sequence[str]) -> str:
    """The head of one text, the tail of another."""
    other = random.choice(others)
    return cut_text(random, text, others) + other[random.randrange(len(other) + 1) :]


TEXT_EDITS: Sequence[TextEdit] = (
    *[replace_alike] * 4,
    *[replace_number] * 4,
    *[replace_everywhere] * 6,
    replace_token,
    delete_token,
    repeat_token,
    swap_tokens,
    move_line,
    take_line,
    insert_odd,
    cut_text,
    graft,
)


# ---- bytes -----------------------------------------------------------------------------------


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """The bytes after a few edits."""
    for _ in range(some(random)):
        data = random.choice(BYTES_EDITS)(random, data)
    return data


def _place(random: Random, data: bytes) -> int:
    """Anywhere, but half of the time where headers stand."""
    return random.randrange(min(len(data), random.choice((64, 2**30))) + 1)


def flip_bit(random: Random, data: bytes) -> bytes:
    at = min(_place(random, data), len(data) - 1)
    flipped = bytes([data[at] ^ 1 << random.randrange(8)]) if data else b""
    return data[:at] + flipped + data[at + 1 :]


def set_bytes(random: Random, data: bytes) -> bytes:
    at, length = _place(random, data), random.choice((1, 2, 4, 8))
    value = random.choice((b"\0", b"\xff", b"\x80", b"\x7f", random.randbytes(1)))
    return data[:at] + value * length + data[at + length :]


def delete_bytes(random: Random, data: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + data[at + random.choice((1, 2, 4, 8, 100)) :]


def insert_bytes(random: Random, data: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + random.randbytes(random.choice((1, 2, 4, 8, 100))) + data[at:]


def cut_bytes(random: Random, data: bytes) -> bytes:
    return data[: _place(random, data)]


BYTES_EDITS: Sequence[BytesEdit] = (flip_bit, set_bytes, delete_bytes, insert_bytes, cut_bytes)


# ---- safetensors -----------------------------------------------------------------------------

VALUES = (np.nan, np.inf, -np.inf, -1, 0, 1e-45, 3.4e38, -3.4e38)
DTYPES = (
    *("BOOL", "F4", "F6_E2M3", "F8_E4M3", "F8_E5M2", "F8_E8M0", "BF16", "F16", "F32", "F64", "C64"),
    *("I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "F99"),
)


def mutate_safetensors(random: Random, data: bytes) -> bytes:
    """Bytes anywhere, the text of the header, its entries, or the numbers."""
    length = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + length], data[8 + length :]
    match random.choice(("bytes", "text", "entries", "entries", "numbers")):
        case "bytes":
            return mutate_bytes(random, data)
        case "text":
            header = mutate_text(random, header.decode(), [header.decode()])
        case "entries":
            header = _mutate_entries(random, header)
        case "numbers":
            body = _mutate_numbers(random, body)
    return len(header).to_bytes(8, "little") + header + body


def _mutate_entries(random: Random, header: bytes) -> bytes:
    entries = json.loads(header)
    names = [name for name in entries if name != "__metadata__"]
    for _ in range(some(random)):
        name, other = random.choice(names), random.choice(names)
        entry = entries[name]
        match random.randrange(6):
            case 0:
                entry["dtype"] = random.choice(DTYPES)
            case 1:
                entry["shape"] = [random.choice((0, 1, 4, 8, 2**32, 2**63, -1, 1.5, None))] * 4
            case 2:
                entry["data_offsets"] = sorted(random.choices(range(400), k=2))
            case 3:
                entry["data_offsets"] = entries[other]["data_offsets"]
            case 4:
                entries[name], entries[other] = entries[other], entries[name]
            case 5:
                entries[random.choice(("", "a\0b", "ß" * 99, name.upper(), "../x"))] = entry
    return json.dumps(entries, ensure_ascii=random.random() < 0.5).encode()


def _mutate_numbers(random: Random, body: bytes) -> bytes:
    numbers = np.frombuffer(body[: len(body) // 4 * 4], "<f4").copy()
    for _ in range(some(random)):
        numbers[random.randrange(len(numbers))] = random.choice(VALUES)
    return numbers.tobytes()
