"""Seeded mistakes in the guards of weight files."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

HOSTILE = "tests/unit/test_hostile_torch_files.py"
DAMAGED = "tests/unit/test_damaged_torch_files.py"
TORCH = "tests/unit/test_torch_files.py"
MAP = "tests/unit/test_weights_map.py"
PRESETS = "tests/unit/test_presets.py"

_pickle = partial(Mutant, file="frontends/weights/pickles.py", tests=HOSTILE)
_names = partial(Mutant, file="frontends/weights/torch_names.py", tests=HOSTILE)
_zip = partial(Mutant, file="frontends/weights/torch_zip.py", tests=HOSTILE)
_legacy = partial(Mutant, file="frontends/weights/torch_legacy.py", tests=HOSTILE)
_found = partial(Mutant, file="frontends/weights/state_dict.py", tests=TORCH)
_order = partial(Mutant, file="frontends/weights/orders.py", tests=MAP)

MUTANTS = (
    _pickle(
        "a name that a pickle only mentions is forgotten",
        old="        self.unknown[name] = None\n",
        new="",
    ),
    _pickle(
        "names are lost when a pickle is damaged",
        old="        if machine.unknown:\n"
        "            raise CodeError(tuple(machine.unknown)) from None\n",
        new="",
    ),
    _pickle(
        "a known name may be called where it must not",
        old="            case Known(name=name):\n"
        '                return self.refuse(f"{name}()")\n'
        "            case Opaque():\n                return target\n"
        '        raise ValueError("a call',
        new="            case Known(name=name) | Opaque(name=name):\n                return name\n"
        '        raise ValueError("a call',
    ),
    _pickle(
        "a known class may be instantiated",
        old="        case Known(name=name):\n"
        '            return machine.refuse(f"{name}()")\n    raise',
        new="        case Known(name=name):\n            return Opaque(name)\n    raise",
    ),
    _pickle(
        "a pickle takes as long as it likes",
        old="            if step == MAX_STEPS:",
        new="            if step == -1:",
    ),
    _pickle(
        "an opcode without a handler is skipped",
        old='                raise CodeError((*machine.unknown, f"opcode {opcode.name}"))',
        new="                continue",
    ),
    _names("a tensor ends behind its storage", old="last >= storage.elements", new="last < 0"),
    _names(
        "a tensor has more elements than its storage",
        old="    if prod(sizes) > storage.elements:",
        new="    if prod(sizes) < 0:",
    ),
    _names("a bool is an extent", old="type(number) is int and", new="isinstance(number, int) and"),
    _names("extents are negative", old="0 <= number <= MAX_EXTENT", new="number <= MAX_EXTENT"),
    _names("extents are huge", old="0 <= number <= MAX_EXTENT", new="0 <= number"),
    _names("any number of axes", old=" or len(shape) > MAX_RANK", new=""),
    _names(
        "a storage has two types",
        old="        if self.storages.setdefault(key, storage) != storage:",
        new="        if self.storages.setdefault(key, storage) is None:",
    ),
    _zip("a huge directory is read", old="size > MAX_DIRECTORY", new="size < -1"),
    _zip("TorchScript is taken for a state dict", old='("constants.pkl", "code/")', new="()"),
    _zip(
        "two members have one name",
        old="    if len(names) != len(infos):",
        new="    if len(names) > len(infos):",
    ),
    _zip("a zip unpacks to more than fits", old="total > MAX_TOTAL", new="total < 0"),
    _zip(
        "a member unpacks to a bomb", old="info.file_size > SMALL and", new="info.file_size < 0 and"
    ),
    _zip("a member lies outside", old='part in ("", ".", "..")', new='part == "/"'),
    _zip("a member has a backslash", old='"\\\\" in name or', new=""),
    _zip(
        "a member ends behind the file",
        old="info.header_offset + info.compress_size > size",
        new="info.header_offset > size + info.compress_size",
    ),
    _zip(
        "a member has two sizes",
        old="info.file_size != info.compress_size",
        new="not info.filename",
    ),
    _zip("a storage is of another size", old="member.file_size != storage.bytes", new="not member"),
    _zip("a pickle of any size is read", old="member.file_size > limit", new="limit < 0"),
    _legacy(
        "a legacy storage is elsewhere", old="elements != storage.elements", new="elements < 0"
    ),
    _legacy(
        "a legacy storage ends behind",
        old="        if start > size:",
        new="        if start < 0:",
        tests=DAMAGED,
    ),
    Mutant(
        "a storage that was cut after the listing is viewed",
        "frontends/weights/saved.py",
        old="if len(data) != storage.bytes:",
        new="if len(data) > storage.bytes:",
        tests=DAMAGED,
    ),
    _legacy(
        "storages of legacy files are not those of the tensors",
        old="sorted(names) != sorted(vocabulary.storages) or ",
        new="",
        tests=DAMAGED,
    ),
    _found(
        "the first of several state dicts is taken",
        old="    if len(usual) + len(averaged) > 1:",
        new="    if len(usual) + len(averaged) > 9:",
    ),
    _found(
        "a prefix of some names is stripped", old="if all(n.startswith", new="if any(n.startswith"
    ),
    _order(
        "a shape that fits two orders takes the first",
        old="        return fitting[:1] if same else fitting",
        new="        return fitting[:1]",
    ),
    _order(
        "rows after a flattened map stay",
        old='        if order == "mbc" or self.map is None:',
        new="        if True:",
    ),
    Mutant(
        "of several tensors for a parameter the first is taken",
        "frontends/weights/mapping.py",
        old="if len(stored) > 1 and name in known",
        new="if len(stored) > 9 and name in known",
        tests=MAP,
    ),
    Mutant(
        "a rule renames what only begins alike",
        "frontends/weights/rules.py",
        old=r'rf"{text}(?=\.|$)"',
        new='rf"{text}"',
        tests=MAP,
    ),
    Mutant(
        "a rule's condition is not asked",
        "frontends/weights/rules.py",
        old="if match is None or _filled(other, _numbers(match)) not in present:",
        new="if match is None:",
        tests=PRESETS,
    ),
    Mutant(
        "blocks are counted as they are spelt",
        "frontends/weights/rules.py",
        old="enumerate(sorted({_key(match) for match in found}))",
        new="enumerate(sorted({_key(match) for match in found}, key=str))",
        tests=MAP,
    ),
    Mutant(
        "the weight of a 1x1 convolution is no dense layer's",
        "frontends/weights/orders.py",
        old="        return inner if is_dense else shape",
        new="        return shape",
        tests=MAP,
    ),
    Mutant(
        "a library's settings come before the user's",
        "mbc/driver/source.py",
        old="{**preset_settings(network.name, request), **request.params}",
        new="{**request.params, **find_preset(network.name, request.weights_from or '').settings}",
        tests=PRESETS,
    ),
    Mutant(
        "a comparison with another file compares a network with itself",
        "mbc/driver/compare.py",
        old="yield _row(name, op, ours.layers[name], theirs.layers[name], where, same)",
        new="yield _row(name, op, ours.layers[name], ours.layers[name], where, same)",
        tests="tests/e2e/test_compare.py",
    ),
    Mutant(
        "of several orders of axes the first is compared",
        "mbc/driver/compare.py",
        old="return min(fitting, key=lambda each: _distance(each, ours), default=values)",
        new="return next(iter(fitting), values)",
        tests="tests/e2e/test_compare.py",
    ),
)
