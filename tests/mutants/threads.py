"""Seeded mistakes in how work is dealt out, and in who may call at the same time."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

_pool = partial(Mutant, file="mbc/runtime/c/pool.c", tests="tests/threads/test_pool_contract.py")
_ranges = partial(Mutant, tests="tests/unit/test_ranges.py")
_callers = partial(Mutant, tests="tests/threads/test_python_threads.py")

MUTANTS = (
    _pool(
        "the pool deals out single tasks, whatever the grain",
        old="uint32_t units = grain > 1 ? count / grain : count;",
        new="uint32_t units = count + 0 * grain;",
    ),
    _pool(
        "a thread takes what another one has",
        old="uint64_t rest = as_word(own ? back : front);",
        new="uint64_t rest = as_word(own ? back : all);",
    ),
    _pool(
        "the owner of a share leaves its first tasks out",
        old="*taken = own ? front : back;",
        new="*taken = back;",
    ),
    _pool(
        "the caller leaves what others have not begun",
        old="for (uint32_t other = 0; other < t->crew; other++)",
        new="for (uint32_t other = 0; other < (number ? t->crew : 1); other++)",
    ),
    _pool(
        "threads keep equal shares, whatever they did",
        old="m->weight += (uint32_t)(did * EVEN * t->crew / units / 4) - m->weight / 4;",
        new="(void)did, (void)units;",
    ),
    _pool(
        "a thread that did nothing is never offered anything again",
        old="if (m->weight < LEAST_WEIGHT) m->weight = LEAST_WEIGHT;",
        new="",
    ),
    _pool(
        "the pool's threads compute as they did in the turn before",
        old="if (number) mbc_adopt(of->control);",
        new="",
    ),
    _ranges(
        "a thread's rows begin where those of the first panel do",
        "backends/llvm/gemm_share.py",
        old='f.binary("add", bound, self.parts - 1), part)',
        new='f.binary("add", bound, self.parts - 1), 0)',
    ),
    _ranges(
        "row blocks are cut at a task's lower bound",
        "backends/llvm/gemm_share.py",
        old='f.binary("add", row, tall // 2), tall)',
        new='f.binary("add", row, 0), tall)',
    ),
    _ranges(
        "two threads compute no row of a chain both",
        "backends/llvm/kernels/chain.py",
        old="rows.append(max(above - below, 0))",
        new="rows.append(0)",
    ),
    _ranges(
        "a range is worth its call, whatever it computes again",
        "backends/llvm/cost.py",
        old="least = max(RANGE_CYCLES, predicted.again * LEAST_TIMES)",
        new="least = RANGE_CYCLES",
    ),
    Mutant(
        "TVM's threads take what another one has begun",
        "backends/tvm/cpu/kernels.py",
        old="%share.end, %back",
        new="%share.end, 0",
        tests="tests/backends/test_tvm_shares.py",
    ),
    Mutant(
        "TVM's threads do their own shares alone",
        "backends/tvm/cpu/kernels.py",
        old="%again = icmp ult i32 %next, %members",
        new="%again = icmp ult i32 %next, 1",
        tests="tests/backends/test_tvm_shares.py",
    ),
    Mutant(
        "rows that two threads compute both are free",
        "passes/row_streaming.py",
        old="return added <= 0 and predicted.again <= MOST_AGAIN * predicted.cycles",
        new="return added <= 0",
        tests="tests/unit/test_fuse_rows.py",
    ),
    _callers(
        "calls from several threads share an arena",
        "backends/llvm/jit.py",
        old="return self._arenas.pop()",
        new="return self._arenas[0]",
    ),
    _callers(
        "two callers have the pool at once",
        "backends/llvm/jit.py",
        old="self._turn = pool.turn if pool else nullcontext()",
        new="self._turn = nullcontext()",
    ),
    _callers(
        "two callers have TVM's virtual machine at once",
        "backends/tvm/vm.py",
        old="""        with self._turn:
            result = self._main(*given)""",
        new="""        if self._turn:
            result = self._main(*given)""",
    ),
    Mutant(
        "two callers have the buffers of an OpenCL device at once",
        "backends/tvm/gpu/opencl.py",
        old="        with self._turn:",
        new="        if self._turn:",
        tests="tests/backends/tvm/test_gpu_networks.py::test_calls_from_several_threads",
    ),
    Mutant(
        "two callers have the memory of an NVIDIA GPU at once",
        "backends/tvm/gpu/cuda.py",
        old="        with self._turn:",
        new="        if self._turn:",
        tests="tests/backends/tvm/test_cuda_launcher.py",
    ),
    Mutant(
        "an NVIDIA GPU is used from a thread that has not entered its context",
        "backends/tvm/gpu/cuda.py",
        old="            self._driver.enter()\n",
        new="",
        tests="tests/backends/tvm/test_cuda_launcher.py",
    ),
    Mutant(
        "the peak's tasks count for one, however many a thread has",
        "backends/llvm/profile.py",
        old="%more = icmp ult i32 %next, %end",
        new="%more = icmp ult i32 %end, %next",
        tests="tests/backends/test_profile.py",
    ),
)
