"""Seeded mistakes in what keeps compiling short."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

_records = partial(Mutant, file="mbc/records.py", tests="tests/unit/test_records.py")
_objects = partial(
    Mutant, file="backends/llvm/c_objects.py", tests="tests/backends/test_c_objects.py"
)
_data = partial(Mutant, file="backends/llvm/data.py", tests="tests/backends/test_link.py")

MUTANTS = (
    _records(
        "dataclasses of different classes are equal",
        old="if other.__class__ is self.__class__:",
        new="if True:",
    ),
    _records(
        "fields of frozen dataclasses change",
        old="        if type(self) is outline.cls or name in",
        new="        if name == '' or name not in",
    ),
    _records(
        "all instances share what a factory makes",
        old='value = f"_make_{f.name}() if {f.name} is _missing else {f.name}"',
        new='value = f"_make_{f.name}.__name__ if {f.name} is _missing else {f.name}"',
    ),
    _objects(
        "a header that changes leaves the object as it is",
        old="yield from _texts(header, folders, seen)",
        new="pass",
    ),
    _objects(
        "objects of all targets are one",
        old='digest = hashlib.sha256("\\n".join(command).encode())',
        new="digest = hashlib.sha256()",
    ),
    _objects(
        "an object that is used again counts as old",
        old="        os.utime(kept)\n",
        new="        pass\n",
    ),
    _data(
        "the symbol of the data keeps the size that LLVM gave it",
        old="self.word.pack_into(made, entry + self.symbol_size, wanted)",
        new="pass",
    ),
    _data(
        "what lies behind the data stays where it was",
        old="self.word.pack_into(made, offset, found + wanted - size)",
        new="pass",
    ),
    Mutant(
        "forms of instructions are told apart by their mnemonics alone",
        "mbc/targets/conformance/code.py",
        old='forms.setdefault((mnemonic, _NUMBER.sub(b"", first[2]), encoding), first)',
        new="forms.setdefault((mnemonic, b'', encoding), first)",
        tests="tests/backends/test_instructions.py",
    ),
    Mutant(
        "a command of another's process sets its garbage collector",
        "mbc/cli/__init__.py",
        old="    if argv is not None:\n        return _status(argv)\n",
        new="",
        tests="tests/unit/test_garbage.py",
    ),
)
