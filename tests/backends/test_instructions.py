"""Instructions and the extensions they belong to: what is refused, and that nothing else is."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from mbc.driver.platforms import resolve
from mbc.targets.architecture import Architecture
from mbc.targets.architectures import ARCHITECTURES
from mbc.targets.architectures.aarch64 import AARCH64
from mbc.targets.conformance import Contract, problems
from mbc.targets.conformance.extensions import disassembler, extensions
from mbc.targets.features import features_of
from tests.backends.wrong_code import assembled, found

FORBIDDEN = [
    ("rpi4", "sdot v0.4s, v1.16b, v2.16b", "dotprod", ".arch armv8.2-a+dotprod"),
    ("arm64", "fmla v0.8h, v1.8h, v2.8h", "fullfp16", ".arch armv8.2-a+fp16"),
    ("arm64", "fadd h0, h1, h2", "fullfp16", ".arch armv8.2-a+fp16"),
    ("rpi5", "smmla v0.4s, v1.16b, v2.16b", "i8mm", ".arch armv8.6-a"),
    ("rpi5", "bfdot v0.4s, v1.8h, v2.8h", "bf16", ".arch armv8.6-a"),
    ("rpi5", "fcmla v0.4s, v1.4s, v2.4s, #90", "complxnum", ".arch armv8.3-a"),
    ("jetson-orin", "fadd z0.s, z1.s, z2.s", "sve", ".arch armv8.2-a+sve"),
    ("jetson-orin", "rdvl x0, #1", "sve", ".arch armv8.2-a+sve"),
    ("rpi4", "ldadd w0, w1, [x2]", "lse", ".arch armv8.1-a"),
    ("rpi4", "casal w0, w1, [x2]", "lse", ".arch armv8.1-a"),
    ("rpi3", "sqrdmlah v0.4s, v1.4s, v2.4s", "rdm", ".arch armv8.1-a"),
    ("arm64", "crc32b w0, w1, w2", "crc", ".arch armv8-a+crc"),
    ("arm64", "aese v0.16b, v1.16b", "aes", ".arch armv8-a+crypto"),
    ("x86_64-v2", "vaddps %xmm0, %xmm1, %xmm2", "avx", ""),
    ("x86_64-v2", "vpaddd %ymm0, %ymm1, %ymm2", "avx2", ""),
    ("x86_64-v2", "vfmadd231ps %ymm0, %ymm1, %ymm2", "fma", ""),
    ("x86_64", "vaddps %zmm0, %zmm1, %zmm2", "avx512f", ""),
    ("x86_64", "vaddps %ymm16, %ymm1, %ymm2", "avx512vl", ""),
    ("x86_64", "{vex} vpdpbusd %ymm0, %ymm1, %ymm2", "avxvnni", ""),
    ("x86_64", "vpdpbusd %ymm0, %ymm1, %ymm2", "avx512vnni", ""),
    ("x86_64-v2", "mulx %rax, %rbx, %rcx", "bmi2", ""),
    ("x86_64-v2", "lzcnt %rax, %rbx", "lzcnt", ""),
    ("armeabi-v7a", "vfma.f32 q0, q1, q2", "vfp4", ".fpu neon-vfpv4"),
    ("armeabi-v7a", "sdiv r0, r1, r2", "hwdiv-arm", ".arch armv7-a\n.arch_extension idiv"),
    ("armv7", "svc #0", "int", ""),
]


@pytest.mark.parametrize(
    ("target", "code", "feature", "allow"), FORBIDDEN, ids=[case[1] for case in FORBIDDEN]
)
def test_an_instruction_that_the_cpu_lacks(
    target: str, code: str, feature: str, allow: str, tmp_path: Path
) -> None:
    text = found(assembled(tmp_path, target, f"{allow}\nnop\n{code}"), "object", target)
    (line,) = [line for line in text.splitlines() if "needs" in line]
    assert re.match(rf"'{code.split()[0]} .*' at 0x[14] needs ", line)
    lacking = line.partition(" needs ")[2].partition(", which ")[0].split(" and ")
    assert feature in lacking
    assert line.endswith(f"which {resolve(target).cpu} is not known to have")


def test_both_encodings_of_dot_products(tmp_path: Path) -> None:
    """Those of AVX-VNNI and of AVX-512; CPUs may have one or both."""
    both = {"avxvnni": "{vex}", "avx512vnni": "{evex}"}
    paths = {
        name: assembled(tmp_path, "x86_64", f"{prefix} vpdpbusd (%rax), %ymm1, %ymm2\nret").rename(
            tmp_path / f"{name}.o"
        )
        for name, prefix in both.items()
    }
    had = {"alderlake": {"avxvnni"}, "znver4": {"avx512vnni"}, "znver5": both, "skylake-avx512": {}}
    for cpu, names in had.items():
        for name, path in paths.items():
            text = found(path, "object", "x86_64", cpu)
            assert (text == "") == (name in names), (cpu, name, text)
            assert (f"which {cpu} is not known to have" in text) == (name not in names)
    added = Contract(resolve("x86_64", "haswell", "+avxvnni"), "net")
    assert list(problems(paths["avxvnni"], "object", added)) == []


def test_armv8_in_32_bit_code(tmp_path: Path) -> None:
    code = ".arch armv8-a\n.fpu neon-fp-armv8\n.eabi_attribute 28, 1\nvmaxnm.f32 q0, q1, q2"
    path = assembled(tmp_path, "armv7", code)
    assert "the bytes at 0x0 are not an instruction" in found(path, "object", "armv7")
    assert found(path, "object", "armv7", "cortex-a53") == ""


def test_an_instruction_that_a_feature_allows(tmp_path: Path) -> None:
    path = assembled(tmp_path, "arm64", ".arch armv8.2-a+dotprod\nsdot v0.4s, v1.16b, v2.16b")
    allowed = Contract(resolve("rpi4", None, "+dotprod"), "net")
    assert list(problems(path, "object", allowed)) == []
    assert found(path, "object", "arm64", "cortex-a76") == ""
    removed = Contract(resolve("rpi5", None, "-dotprod"), "net")
    assert "needs dotprod" in "".join(problems(path, "object", removed))


def test_another_form_of_an_instruction(tmp_path: Path) -> None:
    code = "fadd v0.4s, v1.4s, v2.4s\nfadd v0.8h, v1.8h, v2.8h"
    path = assembled(tmp_path, "arm64", f".arch armv8.2-a+fp16\n{code}")
    assert "'fadd v0.8h, v1.8h, v2.8h' at 0x4 needs fullfp16" in found(path, "object", "arm64")


def test_bytes_that_are_no_instruction(tmp_path: Path) -> None:
    path = assembled(tmp_path, "arm64", "nop\n.inst 0xffffffff\nnop")
    assert found(path, "object", "arm64") == "the bytes at 0x4 are not an instruction"


def test_data_within_code_is_not_read_as_code(tmp_path: Path) -> None:
    path = assembled(tmp_path, "arm64", "nop\n.word 0xffffffff\n")
    assert found(path, "object", "arm64") == ""


@pytest.mark.parametrize("code", ["mov x18, x0", "add w0, w18, w1", "ldr q0, [x18, #16]"])
def test_the_platform_register(code: str, tmp_path: Path) -> None:
    path = assembled(tmp_path, "arm64", code)
    assert found(path, "object", "arm64") == ""
    assert "uses x18, which android reserves" in found(path, "object", "arm64-v8a")


# ---- nothing else ----------------------------------------------------------------------------

UNARY = """
abs neg not cnt cls clz rbit rev16 rev32 rev64 sqabs sqneg fabs fneg fsqrt frecpe frsqrte frinta
frinti frintm frintn frintp frintx frintz fcvtas fcvtms fcvtnu fcvtps fcvtzs fcvtzu scvtf ucvtf
saddlp uadalp urecpe ursqrte suqadd usqadd frecpx
"""
BINARY = """
add sub mul mla mls and orr eor bic orn bsl bit bif cmeq cmge cmgt cmhi cmhs cmtst smax smin umax
umin smaxp uminp addp shadd uhsub srhadd sqadd uqsub sshl ushl srshl sqshl uqrshl sqdmulh sqrdmulh
saba uabd zip1 uzp2 trn1 fadd fsub fmul fdiv fmla fmls fmax fmin fmaxnm fminnm fmaxp fminp fmaxnmp
faddp fabd facge facgt fcmeq fcmge fcmgt fmulx frecps frsqrts
"""
FORMS = ("v{}.4s", "v{}.16b", "v{}.8h", "v{}.2d", "s{}", "d{}")
SINGLE = """
fmov s0, w1; fmov w0, s1; fmov d0, x1; fmov s0, #1.0; fmov v0.4s, #1.0; fmov v0.d[1], x0
movi v0.4s, #1; movi v0.2d, #0; mvni v0.4s, #1, lsl #8; mov v0.16b, v1.16b; mov v0.s[1], v1.s[2]
mov w0, v1.s[0]; mov s0, v1.s[1]; dup v0.4s, w1; dup v0.4s, v1.s[1]; umov w0, v1.b[0]
smov w0, v1.b[0]; ext v0.16b, v1.16b, v2.16b, #4; tbl v0.16b, {v1.16b}, v2.16b
sxtl v0.8h, v1.8b; ushll v0.4s, v1.4h, #0; shl v0.4s, v1.4s, #2; ushr v0.4s, v1.4s, #2
sli v0.4s, v1.4s, #2; shrn v0.4h, v1.4s, #2; sqrshrn v0.4h, v1.4s, #2; xtn2 v0.8h, v1.4s
smull2 v0.4s, v1.8h, v2.8h; umlal v0.4s, v1.4h, v2.h[1]; saddw v0.4s, v1.4s, v2.4h
addhn v0.4h, v1.4s, v2.4s; pmull v0.8h, v1.8b, v2.8b; addv s0, v1.4s; fmaxnmv s0, v1.4s
faddp s0, v1.2s; fcvt h0, s1; fcvt s0, h1; fcvtn v0.4h, v1.4s; fcvtl2 v0.4s, v1.8h
fcmp s0, #0.0; fccmp s0, s1, #0, eq; fcsel s0, s1, s2, eq; fmadd s0, s1, s2, s3
scvtf s0, w1, #2; fcvtzs v0.4s, v1.4s, #2; fmla v0.4s, v1.4s, v2.s[1]; cmle v0.4s, v1.4s, #0
ld1 {v0.4s}, [x0]; ld4 {v0.4s, v1.4s, v2.4s, v3.4s}, [x0]; ld1r {v0.4s}, [x0]; ldr h0, [x0]
st1 {v0.s}[1], [x0]; ldnp q0, q1, [x0]; prfm pldl1keep, [x0]; stlr w0, [x1]; ldar w0, [x1]
umulh x0, x1, x2; csinc x0, x1, x2, hi; bfi x0, x1, #3, #4; extr x0, x1, x2, #3
"""


def base_instructions(folder: Path) -> list[str]:
    """Those of ARMv8.0 among all combinations of the above: what the assembler takes."""
    lines = [f"{op} {f.format(0)}, {f.format(1)}" for op in UNARY.split() for f in FORMS]
    lines += [
        ", ".join((f"{op} {form.format(0)}", form.format(1), form.format(2)))
        for op in BINARY.split()
        for form in FORMS
    ]
    lines += [line.strip() for line in SINGLE.strip().replace("\n", ";").split(";")]
    source = folder / "all.s"
    source.write_text("\n".join([".arch armv8-a", *lines, ""]))
    zig = (sys.executable, "-P", "-m", "ziglang", "cc", "-target", "aarch64-linux-musl")
    command = (*zig, "-c", str(source), "-o", str(folder / "all.o"))
    refused = subprocess.run(command, capture_output=True, text=True).stderr
    wrong = {int(number) for number in re.findall(r"all\.s:(\d+):\d+: error", refused)}
    return [line for number, line in enumerate(lines, 2) if number not in wrong]


def test_every_instruction_of_the_base_is_let_through(tmp_path: Path) -> None:
    lines = base_instructions(tmp_path)
    assert len(lines) > 350
    path = assembled(tmp_path, "arm64", "\n".join([".arch armv8-a", *lines]))
    with path.open("rb") as file:
        text = ELFFile(file).get_section_by_name(".text")
        assert text is not None
        code = text.data()
    target = resolve("arm64")
    engine = disassembler(target)
    refused = {
        line: names
        for number, line in enumerate(lines)
        if (names := extensions(target, engine, code[4 * number :][:4], 0))
    }
    assert refused == {}


# ---- the tables ------------------------------------------------------------------------------


@cache
def llvm_features(triple: str, cpu: str) -> frozenset[str]:
    """The features of a CPU as zig has them from the same LLVM, by LLVM's names."""
    options = ("-target", triple, f"-mcpu={cpu.replace('-', '_')}")
    command = (sys.executable, "-P", "-m", "ziglang", "build-obj", "--show-builtin", *options)
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    words = text.partition("featureSet(&.{")[2].partition("})")[0].replace(",", " ").split()
    return frozenset(word.strip('.@"').replace("_", "-") for word in words)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_the_tables_are_llvms(architecture: Architecture) -> None:
    names = {name for cpu in architecture.cpus.values() for name in cpu.features}
    names = {name for name in names if not name.startswith("x86-64-v")}
    for name, cpu in architecture.cpus.items():
        if (architecture.name, name) != ("arm", "generic"):
            theirs = llvm_features(architecture.link_triple, name)
            assert cpu.features & names == {n for n in names if n.replace(".", "-") in theirs}, name


def test_features_added_and_removed() -> None:
    assert "fma" not in features_of(resolve("x86_64-v2"))
    assert {"avx2", "fma"} <= features_of(resolve("x86_64-v2", None, "+avx2,+fma"))
    without = features_of(resolve("x86_64", "skylake-avx512", "-avx512f"))
    assert not any(name.startswith("avx512") for name in without)
    assert "avx2" in without
    assert AARCH64.closure(["v8.4a"]) >= {"dotprod", "rcpc", "lse", "crc"}
