"""The lint of generated code finds what is wrong with small pieces of assembly."""

from __future__ import annotations

import pytest

from mbc.backends.llvm.isa import AVX2, NEON, Isa
from tests.backends.assembly import Routine, read_assembly
from tests.backends.code_rules import is_gemm, is_k_loop, multiplying_loops, spills, violations

AVX2_KERNEL = """
    .type f32_pw__avx2,@function
f32_pw__avx2:
    pushq %rbp
    testq %rax, %rax
    je .LBB0_9
.LBB0_1:
    vmovups (%rbp), %ymm0
.LBB0_4:
    STEPS
    addq $4, %rdi
    cmpq $256, %rdi
    jb .LBB0_4
    vmovups %ymm0, (%r13,%rdi,4)
    incq %rcx
    jb .LBB0_1
.LBB0_9:
    retq
.Lfunc_end0:
    .size f32_pw__avx2, .Lfunc_end0-f32_pw__avx2
"""

AVX2_STEP = """
    #APP
    #NO_APP
    vbroadcastss (%r12,%rdi,4), %ymm13
    vmovups (%rbp), %ymm14
    vfmadd231ps %ymm14, %ymm13, %ymm8
    vfmadd231ps 32(%rbp), %ymm13, %ymm6
    vmovups 64(%rbp), %ymm15 # one more load
    vfmadd231ps %ymm15, %ymm13, %ymm3
"""

NEON_KERNEL = """
    .type f32_pw__neon,@function
f32_pw__neon:
    stp d9, d8, [sp, #16] // saved for the caller
.LBB0_4:
    STEPS
    add x19, x4, x5
    cmp x6, #256
    b.lo .LBB0_4
    str q0, [x1]
    ret
    .size f32_pw__neon, .-f32_pw__neon
"""

NEON_STEP = """
    ld1 { v10.4s, v11.4s }, [x7], #32
    fmla v0.4s, v10.4s, v9.s[LANE]
    fmla v1.4s, v11.4s, v9.s[LANE]
    fmla v2.4s, v10.4s, v8.s[LANE]
    fmla v3.4s, v11.4s, v8.s[LANE]
"""


def only(text: str) -> Routine:
    (routine,) = read_assembly(text).values()
    return routine


def kernel(isa: Isa) -> str:
    """A kernel whose loop over k is as it should be."""
    if isa is AVX2:
        return AVX2_KERNEL.replace("STEPS", AVX2.unroll * AVX2_STEP)
    lanes = "".join(NEON_STEP.replace("LANE", str(lane)) for lane in range(NEON.lanes))
    return NEON_KERNEL.replace("STEPS", 2 * f"ldp q9, q8, [x19]\n{lanes}")


@pytest.mark.parametrize("isa", [AVX2, NEON])
def test_good_code_passes(isa: Isa) -> None:
    routine = only(kernel(isa))
    assert list(violations(routine, isa)) == []
    assert spills(routine) == 0
    (loop,) = multiplying_loops(routine)
    assert is_k_loop(loop)
    assert sum(i.mnemonic in ("vfmadd231ps", "fmla") for i in loop) == {AVX2: 12, NEON: 32}[isa]


@pytest.mark.parametrize(
    ("isa", "after", "added", "problem"),
    [
        (AVX2, "#NO_APP", "vmovups 64(%rsp), %ymm1", "spills in the loop over k"),
        (AVX2, "#NO_APP", "vfmadd231ps %ymm1, %ymm13, %ymm2", "not a full tile"),
        (AVX2, "#NO_APP", "vmovups 96(%rbp), %ymm2", "not a full tile"),
        (AVX2, "#NO_APP", "vmovaps %ymm1, %ymm2", "1 vector instructions that do no part"),
        (AVX2, "#NO_APP", "vpermps %ymm1, %ymm2, %ymm3", "1 vector instructions that do no part"),
        (AVX2, "#NO_APP", "incq %rax\n" * 9, "12 scalar instructions, at most 8"),
        (AVX2, "#NO_APP", "prefetcht0 (%rax)\n" * 20, "20 prefetches, more than it loads"),
        (AVX2, "#NO_APP", "vaddps (%rax){1to8}, %ymm13, %ymm13", "1 elements are added to"),
        (AVX2, "pushq %rbp", "leaq 32(%rsp), %rbx", "spills may be hidden behind a pointer"),
        (NEON, ".LBB0_4:", "ldr q1, [sp, #32]", "spills in the loop over k"),
        (NEON, ".LBB0_4:", "fmla v1.4s, v2.4s, v3.4s", "multiplies by whole vectors"),
        (NEON, ".LBB0_4:", "fmla v1.4s, v2.4s, v3.s[1]", "not a full tile"),
        (NEON, ".LBB0_4:", "ldr q1, [x2]", "not a full tile"),
        (NEON, ".LBB0_4:", "dup v1.4s, v2.s[0]", "1 vector instructions that do no part"),
        (NEON, ".LBB0_4:", "add x1, x1, #16\n" * 9, "12 scalar instructions, at most 8"),
        (NEON, "f32_pw__neon:", "add x8, sp, #32", "spills may be hidden behind a pointer"),
    ],
)
def test_a_detour_is_noticed(isa: Isa, after: str, added: str, problem: str) -> None:
    first, found, rest = kernel(isa).partition(f"{after}\n")
    assert found
    routine = only(f"{first}{found}{added}\n{rest}")
    assert any(problem in violation for violation in violations(routine, isa))


SPLIT_STEPS = """
    vmovups (%rbp), %ymm14
    vbroadcastss (%r12,%rdi,4), %ymm13
    vfmadd231ps %ymm14, %ymm13, %ymm8
    vbroadcastss 64(%r12,%rdi,4), %ymm13
    vfmadd231ps %ymm14, %ymm13, %ymm9
    vmovups 32(%rbp), %ymm14
    vbroadcastss 4(%r12,%rdi,4), %ymm13
    vfmadd231ps %ymm14, %ymm13, %ymm8
    vbroadcastss 68(%r12,%rdi,4), %ymm13
    vfmadd231ps %ymm14, %ymm13, %ymm9
    vmovups 64(%rbp), %ymm14
    vbroadcastsd (%r12,%rdi,4), %ymm13
    vfmadd231ps %ymm14, %ymm13, %ymm3
    vbroadcastsd 64(%r12,%rdi,4), %ymm13
    vfmadd231ps %ymm14, %ymm13, %ymm4
"""
"""Two steps of two rows by a vector, and by one of few columns that takes both steps at a time."""


def test_split_units_are_full_tiles() -> None:
    text = AVX2_KERNEL.replace("STEPS", SPLIT_STEPS)
    assert list(violations(only(text), AVX2)) == []
    for added in ("vbroadcastsd (%r11), %ymm1", "vfmadd231ps %ymm1, %ymm2, %ymm3"):
        (problem,) = violations(only(text.replace("addq", f"{added}\n addq")), AVX2)
        assert "not a full tile" in problem
    four = "ldr q1, [x7]\n fmla v4.4s, v1.4s, v9.4s\n fmla v5.4s, v1.4s, v8.4s\n"
    text = kernel(NEON).replace("ldp q9", f"{four}ldp q9")
    assert list(violations(only(text), NEON)) == []
    (problem,) = violations(only(text.replace("cmp x6", "fmla v6.4s, v1.4s, v9.4s\n cmp x6")), NEON)
    assert "multiplies by whole vectors" in problem


def test_steps_in_a_row_multiply_by_lane() -> None:
    stored = kernel(NEON).replace("b.lo", "str q0, [x1]\n b.lo")
    assert list(violations(only(stored), NEON)) == []
    whole = stored.replace("v8.s[1]", "v8.4s")
    (problem,) = violations(only(whole), NEON)
    assert problem == "f32_pw__neon: only 28 of 32 multiply-adds are by lane"


def test_a_fully_connected_layer_may_step_pointers() -> None:
    text = kernel(NEON).replace("cmp x6", "add x7, x7, #16\n" * 9 + "cmp x6")
    assert len(list(violations(only(text), NEON))) == 1
    assert list(violations(only(text.replace("f32_pw", "f32_fc_8x8")), NEON)) == []


def test_spills_are_vectors_on_the_stack() -> None:
    text = kernel(AVX2).replace("retq", "vmovups %ymm1, -32(%rsp)\nvaddps (%rsp), %ymm1, %ymm1")
    assert spills(only(text.replace("testq", "movq %rax, 8(%rsp)\ntestq"))) == 2
    text = kernel(NEON).replace("ret\n", "stp q0, q1, [sp]\nld1 { v2.4s }, [sp], #16\n")
    assert spills(only(text)) == 2


def test_windows_are_not_gemms() -> None:
    names = ("f32_pw_8x8__avx2", "f32_dw3x3s1_c8_mid_row__avx2", "f32_softmax_c8__avx2", "n_k000")
    assert [is_gemm(Routine(name, ())) for name in names] == [True, False, False, False]


def test_loops_are_found_by_their_furthest_branch_back() -> None:
    text = "f:\n.LBB0_1:\njae .LBB0_1\n.LBB0_2:\nincq %rax\njb .LBB0_2\njmp .LBB0_1\nret\n"
    routine = only(f".type f,@function\n{text}.size f, .-f")
    assert [[i.mnemonic for i in loop] for loop in routine.innermost_loops] == [["incq", "jb"]]
