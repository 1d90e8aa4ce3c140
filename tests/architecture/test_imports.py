"""Who may import whom.

The layers are numbered from the bottom; a file may import its own component, any component of a
lower layer, and the peers that `PEERS` names. An import counts wherever it stands: inside a
function, under TYPE_CHECKING, or as `import_module("…")`.
"""

import ast
from collections.abc import Container, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]

LAYERS = (
    ("mbc.records",),
    (
        "mbc.accuracy",
        "mbc.alignment",
        "mbc.diag",
        "mbc.codes",
        "mbc.remarks",
        "mbc.files",
        "mbc.caches",
        "mbc.extras",
        "mbc.engines",
    ),
    ("mbc.ir",),
    ("mbc.ops",),
    ("mbc.schedules",),
    ("mbc.ir.text",),  # prints and parses ops by their fields, so it stands above them
    ("mbc.interp", "mbc.targets", "mbc.runtime", "mbc.int8"),
    ("mbc.memory", "mbc.passmgr"),
    ("mbc.frontends", "mbc.passes", "mbc.backends", "mbc.report", "mbc.papers"),
    ("mbc.inspect",),
    ("mbc.driver",),
    ("mbc.cli",),
    ("mbc", "mbc.__main__"),  # the Python API, `mbc.compile`
)
RANK = {component: rank for rank, layer in enumerate(LAYERS) for component in layer}

# The only imports allowed between components of one layer, as (importer, imported).
PEERS = {
    ("mbc.files", "mbc.diag"),
    ("mbc.caches", "mbc.diag"),
    ("mbc.caches", "mbc.files"),
    ("mbc.extras", "mbc.diag"),
    ("mbc.extras", "mbc.caches"),
    ("mbc.engines", "mbc.diag"),
    ("mbc.engines", "mbc.extras"),
    ("mbc.interp", "mbc.runtime"),  # one check of the tensors that a caller hands over
}

# What lies below and is not imported all the same, as (importer, imported): the driver chooses.
BARRED = {
    ("mbc.cli", "mbc.backends"): "mbc.driver chooses backends",
    ("mbc", "mbc.backends"): "mbc.driver chooses backends",
}

# Names of the top package that carry no dependency on what lies behind the API.
API_CONSTANTS = {"mbc.__version__"}

# Third-party library -> the one place that may import it: a module, or a package and all in it.
OWNERS = {
    "llvmlite": "mbc.backends.llvm",
    "MNN": "mbc.engines",
    "ncnn": "mbc.engines",
    "networkx": "mbc.ir.graph",
    "onnx": "mbc.frontends.onnx",
    "onnxruntime": "mbc.engines",
    "openvino": "mbc.engines",
    "psutil": "mbc.backends.tvm",
    "pyopencl": "mbc.backends.tvm",
    "tflite": "mbc.frontends.tflite",
    "torch": "mbc.frontends.torch",
    "tvm": "mbc.backends.tvm",
    "tvm_ffi": "mbc.backends.tvm",
}


class Import(NamedTuple):
    """`target`, imported on `line`, by its full dotted name (`from a.b import c` gives a.b.c)."""

    line: int
    target: str


def module_name(path: Path) -> str:
    """mbc/passes/__init__.py -> mbc.passes."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def product_files() -> list[Path]:
    """Every module of the package, under the name by which it is imported."""
    package = ROOT / "mbc"
    linked = [package / name for name in ("frontends", "passes", "backends")]
    files = [*package.rglob("*.py"), *(file for folder in linked for file in folder.rglob("*.py"))]
    return sorted(file for file in set(files) if package / "examples" not in file.parents)


def imports(source: str, module: str, *, is_package: bool) -> Iterator[Import]:
    """All imports of a module's source, relative ones resolved."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(node.lineno, alias.name)
            case ast.ImportFrom(module=origin, names=names, level=level):
                above = package[: len(package) - level + 1] if level else []
                base = ".".join([*above, *([origin] if origin else [])])
                for alias in names:
                    yield Import(node.lineno, f"{base}.{alias.name}")
            case ast.Call(
                func=ast.Attribute(attr="import_module")
                | ast.Name(id="import_module" | "__import__" | "optional_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield Import(node.lineno, name)


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def component(name: str) -> str | None:
    """The component of the table that `name` belongs to; None for a module that the table lacks."""
    inside = [c for c in RANK if within(name, c) and c != "mbc"]
    return max(inside, key=len, default=None)


def breach(module: str, target: str) -> str | None:
    """Why `module` may not import `target`, or None if it may."""
    library = target.split(".")[0]
    if library in {"frontends", "passes", "backends"}:
        return f"{target} is a second module object; write mbc.{target}"
    owner = OWNERS.get(library)
    if owner and not within(module, owner):
        return f"only {owner} may import {library}"
    if library != "mbc" or target in API_CONSTANTS:
        return None
    here, there = component(module) or "mbc", component(target) or "mbc"
    if why := BARRED.get((here, there)):
        return why
    if here == there or RANK[there] < RANK[here] or (here, there) in PEERS:
        return None
    how = "beside" if RANK[here] == RANK[there] else "above"
    return f"{there} is {how} {here}"


@pytest.mark.parametrize("path", product_files(), ids=module_name)
def test_imports_run_one_way(path: Path) -> None:
    module, package = module_name(path), path.name == "__init__.py"
    assert module == "mbc" or component(module), (
        f"{module} is in no layer: give it a place in LAYERS"
    )
    breaches = [
        f"{path.relative_to(ROOT)}:{line}: imports {target}, but {why}"
        for line, target in imports(path.read_text("utf-8"), module, is_package=package)
        if (why := breach(module, target))
    ]
    assert not breaches, "\n".join(breaches)


def dependencies(sources: Mapping[str, tuple[str, bool]]) -> dict[str, set[str]]:
    """Map each module, given by its source and whether it is a package, to those it imports."""
    found: dict[str, set[str]] = {}
    for module, (source, is_package) in sources.items():
        targets = (i.target for i in imports(source, module, is_package=is_package))
        inside = (owner for target in targets if (owner := _module_of(target, sources)))
        found[module] = {*inside} - {module}
    return found


def _module_of(name: str, modules: Container[str]) -> str:
    """Return the module that has a name; "" if it is none of these."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def test_no_modules_import_each_other_in_a_circle() -> None:
    sources = {
        module_name(path): (path.read_text("utf-8"), path.name == "__init__.py")
        for path in product_files()
    }
    TopologicalSorter(dependencies(sources)).prepare()  # raises CycleError, which names them


def test_a_circle_is_noticed() -> None:
    ring = {
        "mbc.a": ("from mbc.b import name", False),
        "mbc.b": ("if TYPE_CHECKING:\n    from mbc import a", False),
    }
    with pytest.raises(CycleError):
        TopologicalSorter(dependencies(ring)).prepare()


def test_the_walk_sees_the_linked_folders() -> None:
    names = {module_name(path) for path in product_files()}
    assert {"mbc", "mbc.frontends", "mbc.passes", "mbc.backends"} <= names
    assert not any(within(name, "mbc.examples") for name in names)


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("mbc.ir.graph", "import networkx", None),
        ("mbc.ir.views", "import networkx as nx", "only mbc.ir.graph may import networkx"),
        ("mbc.passes.fuse", "import llvmlite.ir", "only mbc.backends.llvm may import llvmlite"),
        ("mbc.backends.llvm.jit", "import llvmlite.binding", None),
        ("mbc.backends.llvm.jit", "import tvm", "only mbc.backends.tvm may import tvm"),
        (
            "mbc.driver.net",
            "f('tvm')\noptional_module('tvm_ffi', 'tvm')",
            "only mbc.backends.tvm may import tvm_ffi",
        ),
        ("mbc.backends.tvm.require", "optional_module('tvm', 'tvm')", None),
        ("mbc.ops.linear", "from mbc.ir import Graph", None),
        ("mbc.ops.linear", "from mbc import ir, diag", None),
        ("mbc.ir.graph", "from mbc.ir import text", "mbc.ir.text is above mbc.ir"),
        ("mbc.ir.text.parser", "from mbc.ops import OPS", None),
        ("mbc.ir.graph", "def f():\n  import mbc.ops", "mbc.ops is above mbc.ir"),
        ("mbc.passes.fuse", "from mbc.backends.llvm import x", "mbc.backends is beside mbc.passes"),
        ("mbc.passes.fuse", "from ..backends import llvm", "mbc.backends is beside mbc.passes"),
        ("mbc.passes.fuse", "from . import pipelines", None),
        ("mbc.passes.fuse", "import passes", "passes is a second module object; write mbc.passes"),
        ("mbc.passmgr.run", "from mbc.interp import run", None),
        ("mbc.interp.run", "from mbc.passmgr import Pass", "mbc.passmgr is above mbc.interp"),
        ("mbc.passmgr.run", "from mbc.memory import x", "mbc.memory is beside mbc.passmgr"),
        ("mbc.passmgr.run", "from mbc.passes import x", "mbc.passes is above mbc.passmgr"),
        ("mbc.backends.llvm.x", "from mbc.report import x", "mbc.report is beside mbc.backends"),
        ("mbc.passes.fuse", "import_module('mbc.driver')", "mbc.driver is above mbc.passes"),
        ("mbc.driver", "import mbc.cli", "mbc.cli is above mbc.driver"),
        ("mbc.cli.options", "from mbc.backends.llvm import x", "mbc.driver chooses backends"),
        ("mbc.cli.options", "import_module('mbc.backends.tvm')", "mbc.driver chooses backends"),
        ("mbc", "from mbc.backends.llvm import x", "mbc.driver chooses backends"),
        ("mbc.driver.net", "from mbc.backends.llvm import x", None),
        ("mbc.report.html", "from mbc import compile", "mbc is above mbc.report"),
        ("mbc.report.html", "from mbc import __version__", None),
        ("mbc", "from mbc.driver import compile", None),
    ],
)
def test_the_rule_itself(module: str, source: str, why: str | None) -> None:
    found = imports(source, module, is_package=module == "mbc")
    assert [reason for i in found if (reason := breach(module, i.target))] == ([why] if why else [])
