"""Seeded mistakes in what users are told."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

HINTS = "tests/unit/test_hints.py"
DSL = "tests/unit/test_dsl.py"
DEFAULTS = "tests/unit/test_dsl_defaults.py"

_slips = partial(Mutant, file="mbc/diag.py", tests=HINTS)


def _row(mistake: str, file: str, old: str, new: str = ")") -> Mutant:
    return Mutant(mistake, file, old=old, new=new, tests="tests/unit/test_targets.py")


_cost = partial(Mutant, file="backends/llvm/cost.py", tests="tests/unit/test_cost.py")
_asked = partial(Mutant, file="mbc/targets/cpu_check.py", tests="tests/unit/test_cpu_check.py")
_numbers = partial(Mutant, file="frontends/dsl/numbers.py", tests=DSL)
_defaults = partial(Mutant, file="frontends/dsl/layers/defaults.py", tests=DEFAULTS)

MUTANTS = (
    _slips(
        "digits are letters like others",
        old="    if ours[1::2] != theirs[1::2]:\n        return None\n",
        new="",
    ),
    _slips(
        "a word may begin otherwise",
        old="distance <= _allowed(a, b) and begins_alike",
        new="distance <= _allowed(a, b)",
    ),
    _slips(
        "parts of two letters may differ",
        old="return int(letters == 3 and (len(a)",
        new="return int(letters <= 3 or (len(a)",
    ),
    Mutant(
        "names that others gave to what we do not have are taken for slips",
        "frontends/dsl/elsewhere.py",
        old="return () if key in _OTHERS else nearest(name, layers)",
        new="return nearest(name, layers)",
        tests=HINTS,
    ),
    _numbers("a bool is an integer", old="bool | np.bool_ | np.ndarray", new="np.ndarray"),
    _numbers("an infinity is a number", old="value if math.isfinite(value) else None", new="value"),
    Mutant(
        "arrays of numpy take the operator from a tensor",
        "frontends/dsl/operators.py",
        old="    __array_ufunc__ = None",
        new="    _array_ufunc = None",
        tests=DSL,
    ),
    Mutant(
        "half of an even kernel is rounded up",
        "frontends/dsl/window.py",
        old="(k - 1) // 2 * d",
        new="k // 2 * d",
        tests=DEFAULTS,
    ),
    _defaults("a padding is no default", old="self.default_padding = padding", new="pass"),
    _defaults("an epsilon is no default", old='= number("epsilon", epsilon)', new="= 1e-5"),
    _defaults(
        "the first activation stays",
        old="            self._act = act",
        new="            self._act = self._act or act",
    ),
    Mutant(
        "what is known as unsupported is only unknown",
        "mbc/targets/catalogue.py",
        old="if reason := unsupported(name):",
        new="if reason := supported_as(name):",
        tests="tests/unit/test_targets.py",
    ),
    _asked(
        "targets that need as much are hinted at",
        old="if set(needs(other)) < set(asked)",
        new="if set(needs(other)) <= set(asked)",
    ),
    _row("a vector unit has no row", "backends/llvm/isa.py", ", RVV128)"),
    _row("an architecture has no row", "mbc/targets/architectures/__init__.py", ", RV64GCV)"),
    _row(
        "subnormal numbers of an architecture have no row",
        "backends/llvm/subnormals.py",
        '    "riscv64": None,\n',
        "",
    ),
    _cost("cores have two vector units", old="core.units * min", new="2 * min"),
    _cost("products have short vectors", old="isa.of_product(1).lanes", new="isa.lanes"),
    _cost("vectors are as wide as units", old="min(core.lanes, lanes)", new="core.lanes"),
    _cost("every core has a third cache", old="    if core.l3:\n", new="    if isa.lanes:\n"),
    _cost(
        "every core loads two vectors a cycle",
        old="ADD_ACCESSES / core.accesses",
        new="ADD_ACCESSES / 2",
    ),
    Mutant(
        "a row gets facts of the architecture's core",
        "mbc/targets/architecture.py",
        old="facts = known.get(caches) or _core(caches, units, core)",
        new="facts = known.get(caches) or core",
        tests="tests/unit/test_targets.py",
    ),
    Mutant(
        "a CPU without a row is let through",
        "mbc/targets/catalogue.py",
        old="    if cpu not in baseline.cpus:\n",
        new="    if cpu in ENTRIES:\n",
        tests="tests/unit/test_targets.py",
    ),
    Mutant(
        "fused multiplication is not asked for",
        "mbc/targets/architectures/x86_64.py",
        old='    "fma": (1, _ECX, 12, _YMM),\n',
        new="",
        tests="tests/unit/test_cpu_check.py",
    ),
    Mutant(
        "a program does not ask the CPU",
        "mbc/driver/producers/llvm_files.py",
        old=" + cpu + timing",
        new=" + timing",
        tests="tests/e2e/test_verify.py::test_a_cpu_with_fewer_features",
    ),
    Mutant(
        "options without effect are ignored",
        "mbc/driver/configuration.py",
        old="if value is not None and option in producer.refused:",
        new="if value is None and option in producer.refused:",
        tests="tests/unit/test_configuration.py",
    ),
    Mutant(
        "truth values are numbers",
        "mbc/runtime/tensors.py",
        old='NUMBERS = "fiu"',
        new='NUMBERS = "fiub"',
        tests="tests/unit/test_tensors.py",
    ),
    Mutant(
        "a recorded target has the CPUs of another",
        "mbc/targets/catalogue.py",
        old="next(chain(named, fitting, known), None)",
        new="next(iter(known), None)",
        tests="tests/unit/test_targets.py",
    ),
    Mutant(
        "numbers of another type are taken for floats",
        "mbc/runtime/npy.py",
        old='    if kind and not re.match(rf"[\'\\"]{re.escape(wanted)}[\'\\"]", kind):\n',
        new="    if not kind:\n",
        tests="tests/e2e/test_tensor_files.py",
    ),
    Mutant(
        "PyTorch's batch norms are not known by what they have",
        "frontends/weights/names.py",
        old="(PYTORCH if normalises else KERAS)",
        new="KERAS",
        tests="tests/unit/test_weights_files.py",
    ),
    Mutant(
        "a weight of another shape is meant",
        "frontends/weights/names.py",
        old=" if sorted(constants[other].type.shape) == extents]",
        new="]",
        tests="tests/unit/test_weights_files.py",
    ),
    Mutant(
        "CPUs are not tried before threads are started",
        "mbc/cli/options.py",
        old="    check_cpus(cpus)\n",
        new="",
        tests="tests/e2e/test_cpus.py::test_mistakes",
    ),
)
