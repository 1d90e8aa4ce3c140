"""What `mbc compile` does without: its time is not measured here, but what it went into is."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.test_imports import module_name, product_files
from tests.e2e.support import TINY

UNUSED = (
    "capstone",
    "mbc.backends.tvm",
    "mbc.driver.producers.gpu",
    "mbc.driver.producers.oracle",
    "mbc.driver.producers.tvm",
    "mbc.engines",
    "mbc.frontends.onnx",
    "mbc.frontends.tflite",
    "mbc.frontends.torch",
    "mbc.frontends.weights.files",
    "mbc.ir.text.parser",
    "mbc.runtime.images",
    "numpy.ma",
    "onnx",
    "PIL",
    "rich",
    "torch",
    "tvm",
)
"""Modules that compiling a network of Python, with weights drawn from a seed, does without."""

SCRIPT = """
import json, sys
from mbc.backends.llvm import codegen, toolchain
from mbc.driver.producers import llvm_files

generated, tools = [], []
object_code, run_tool = codegen.object_code, toolchain.run_tool

def generate(ir, target):
    generated.append(ir)
    return object_code(ir, target)

def run(command, **settings):
    tools.append(command)
    return run_tool(command, **settings)

for module in (codegen, llvm_files):
    module.object_code = generate
toolchain.run_tool = run
from mbc.cli import main
status = main(["compile", "tiny.py", "--target", "x86_64", "-o", sys.argv[1]])
print(json.dumps([status, sorted(sys.modules), generated, tools]))
"""


def compile_tiny(folder: Path, output: str) -> tuple[set[str], list[str], list[list[str]]]:
    """What a compile imports, the modules that LLVM makes objects of, and the tools it calls."""
    (folder / "tiny.py").write_text(TINY)
    command = [sys.executable, "-c", SCRIPT, output]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    status, modules, generated, tools = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stderr
    return set(modules), generated, tools


def test_what_a_compile_imports_and_does(tmp_path: Path) -> None:
    compile_tiny(tmp_path, "first")
    modules, generated, tools = compile_tiny(tmp_path, "again")
    assert modules & set(UNUSED) == set()
    kernels = [text for text in generated if "_invoke" in text]
    assert len(kernels) == 1
    assert len(set(generated)) == len(generated) == 2  # kernels, and their clocks
    sources = [word for command in tools for word in command if word.endswith(".c")]
    assert sources == []
    assert len(tools) == 2  # the linker and the archiver


@pytest.mark.parametrize("path", product_files(), ids=module_name)
def test_dataclasses_are_ours(path: Path) -> None:
    """Those of the standard library compile six methods each when they are imported."""
    if module_name(path) == "mbc.records":
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ImportFrom(module="dataclasses", names=names):
                assert "dataclass" not in [alias.name for alias in names]
            case ast.Import(names=names):
                assert "dataclasses" not in [alias.name for alias in names]
