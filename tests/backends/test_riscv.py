"""RISC-V's vector code, which capstone does not decode: read in LLVM's assembly when it is made,
and here by another reader, LLVM's disassembler."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mbc.backends.llvm.codegen import emit_assembly, emit_object
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.driver.instrumentation import Inspection
from mbc.driver.pipeline import compile_graph
from mbc.driver.platforms import resolve
from mbc.driver.request import Request, Silent
from mbc.targets.conformance import Contract, problems
from mbc.targets.conformance.code import assembly_problems
from mbc.targets.conformance.extensions import UNKNOWN, text_extensions
from mbc.targets.features import features_of
from tests.backends.wrong_code import assembled
from tests.e2e.support import EXAMPLES

TARGET = resolve("riscv64")
PLAIN = replace(TARGET, features=("+d", "+f"))
DISASSEMBLER = "llvm-objdump"  # Debian's package llvm
LINE = re.compile(r"\s+[0-9a-f]+:\s+(\S.*)$")
SPILL = re.compile(r"v[sl]\dr")
SPILL_SHARE = 0.02  # of multiply-adds: most are of the stem, whose code is straight


@pytest.fixture(scope="module")
def lowered() -> LoweredNet:
    request = Request(EXAMPLES / "shufflenet_v2.py", target="riscv64", params={"resolution": 64})
    compiled = compile_graph(request, Inspection(), Silent(), lambda _: None)
    return lower(compiled.graph, compiled.target)


@pytest.mark.parametrize(
    ("code", "extension"),
    [
        ("vfmacc.vf v8, fa5, v9", "v"),
        ("vsetivli zero, 4, e32, m1, ta, ma", "v"),
        ("vle32.v v8, (a0)", "v"),
        ("sh2add a0, a1, a2", "zba"),
        ("slli.uw a0, a1, 3", "zba"),
        ("minu a0, a1, a2", "zbb"),
        ("sext.b a0, a1", "zbb"),
        ("bset a0, a1, a2", "zbs"),
        ("czero.eqz a0, a1, a2", "zicond"),
        ("mulhu a0, a1, a2", "m"),
        ("remw a0, a1, a2", "m"),
        ("amoadd.w a0, a1, (a2)", "a"),
        ("lr.d a0, (a1)", "a"),
        ("frobnicate a0", UNKNOWN),
        ("th.addsl a0, a1, a2, 2", UNKNOWN),
        ("prefetch.r 0(a0)", UNKNOWN),
    ],
)
def test_an_instruction_that_the_cpu_lacks(code: str, extension: str) -> None:
    assert text_extensions(TARGET, code) == {extension}
    (problem,) = assembly_problems(f"net_run:\n\tret\n\t{code}\n", Contract(PLAIN, "net"))
    assert problem == f"'{code}' needs {extension}, which generic-rv64 is not known to have"


@pytest.mark.parametrize(
    "code",
    ["addi a0, a0, -16", "sd ra, 8(sp)", "bltu a0, a1, .LBB0_1", "fmadd.s fa0, fa1, fa2, fa3",
     "fcvt.d.s fa0, fa1", "fcvt.w.s a0, fa1, rtz", "flw fa0, 0(a0)", "fmv.x.w a0, fa0", "ret",
     "sext.w a0, a1", "seqz a0, a0", "call memcpy", "lui a0, %hi(x)", "fsd fa0, 0(sp)"],
)  # fmt: skip
def test_an_instruction_that_every_cpu_has(code: str) -> None:
    assert list(assembly_problems(f"\t{code}\n", Contract(PLAIN, "net"))) == []


def test_an_object_without_its_text(tmp_path: Path) -> None:
    path = assembled(tmp_path, "riscv64", "ret")
    contract = Contract(TARGET, "net")
    assert list(problems(path, "object", contract)) == [
        "comes without the text of its instructions"
    ]
    assert list(problems(path, "object", replace(contract, assembly="\tret\n"))) == []


def disassembled(code: bytes, folder: Path) -> Iterator[str]:
    """The instructions of an object, by LLVM's disassembler."""
    assert shutil.which(DISASSEMBLER), f"{DISASSEMBLER} is missing: apt-get install llvm"
    (folder / "net.o").write_bytes(code)
    words = (DISASSEMBLER, "-d", "--no-show-raw-insn", "--mattr=+m,+a,+f,+d,+c,+v")
    done = subprocess.run([*words, folder / "net.o"], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        if found := LINE.match(line):
            yield " ".join(found[1].split())


def test_what_lies_in_objects_is_what_was_read(lowered: LoweredNet, tmp_path: Path) -> None:
    contract, allowed = Contract(TARGET, "net"), features_of(TARGET)
    assert list(assembly_problems(emit_assembly(lowered), contract)) == []
    code = [*disassembled(emit_object(lowered), tmp_path)]
    assert [line for line in code if text_extensions(TARGET, line) - allowed] == []
    assert {"vle32.v", "vse32.v", "vfmacc.vf", "vsetivli"} <= {line.split()[0] for line in code}
    multiplied = [line for line in code if line.startswith(("vfmacc", "vfmadd"))]
    assert len([line for line in code if SPILL.match(line)]) < SPILL_SHARE * len(multiplied)
    assert not [line for line in code if line.startswith("fmadd.s")], "something is not vectors"
