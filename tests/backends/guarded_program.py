"""A program for another CPU that calls kernels, with guard pages around all that they are given."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbc.backends.llvm.addresses import Addresses
from mbc.backends.llvm.codegen import object_code
from mbc.backends.llvm.integer import kernels as integer_kernels
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Library, Site
from mbc.backends.llvm.link import link_executable
from mbc.backends.llvm.lower import declarations
from mbc.backends.llvm.toolchain import Zig
from mbc.interp import run
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.targets.elements import on_codes
from tests.backends.emulated import Machine
from tests.quantised_graphs import codes

ODD = np.array([np.nan, np.inf, -np.inf, 1e30], np.float32)
MAIN = """
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
enum {{ PAGE = 65536 }};
static char *guarded(size_t size, int low) {{
    size_t room = (size + PAGE - 1) / PAGE * PAGE;
    char *start = mmap(0, room + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) exit(5);
    if (room && mprotect(start + PAGE, room, PROT_READ | PROT_WRITE)) exit(6);
    memset(start + PAGE, 0xff, room);
    return start + PAGE + (low ? 0 : room - size);
}}
{declarations}
/* Operands, results and weights are read from stdin and written to stdout, with the last task first
 * and guards just before if `low`, else guards just behind. */
static void call(void (*kernel)(), const size_t *sizes, int count, size_t scratch, long tasks) {{
    static char given[1 << 24];
    size_t all = 0;
    for (int i = 0; i < count; i++) all += sizes[i];
    if (all > sizeof given || fread(given, 1, all, stdin) != all) exit(3);
    for (int low = 0; low < 2; low++) {{
        char *at[8], *from = given;
        for (int i = 0; i < count; from += sizes[i++])
            memcpy(at[i] = guarded(sizes[i], low), from, sizes[i]);
        at[count] = guarded(scratch, low);
        for (long task = low ? tasks - 1 : 0; task >= 0; task = low ? task - 1 : -1) {{
            const long end = low ? task + 1 : tasks;
            memset(at[count], 0xff, scratch);
            switch (count) {{
{cases}
            }}
        }}
        for (int i = 0; i < count; i++) fwrite(at[i], 1, sizes[i], stdout);
    }}
}}
int main(void) {{
{calls}
    return 0;
}}
"""


@dataclass(frozen=True)
class Called:
    """A kernel at a node where it is called, with the buffers of what it reads and makes."""

    node: Node
    kernel: Kernel
    inputs: tuple[tuple[Buffer, ...], ...]
    outputs: tuple[Buffer, ...]

    @property
    def values(self) -> list[Value]:
        """What it reads, an address each."""
        return [value for view in self.node.views for value in view.values]


@dataclass(frozen=True)
class Call(Called):
    """The same with the name of its case."""

    name: str

    @property
    def buffers(self) -> list[Buffer]:
        """Those of operands and results."""
        return [*(buffer for several in self.inputs for buffer in several), *self.outputs]

    @property
    def sizes(self) -> list[int]:
        """Bytes of operands, results and weights."""
        return [*(buffer.extent for buffer in self.buffers), self.kernel.weights.nbytes]

    def expected(self, arrays: Mapping[Value, np.ndarray]) -> list[np.ndarray]:
        """What the oracle makes."""
        graph, values = Graph("one"), list(dict.fromkeys(self.values))
        inputs = {v: graph.add_input(f"x{i}", v.type) for i, v in enumerate(values)}
        views = {value: ChannelView.of(x) for value, x in inputs.items()}
        operands = [
            o.substitute(views) if isinstance(o, ChannelView) else o for o in self.node.operands
        ]
        graph.set_outputs(graph.add(self.node.op, operands).results)
        return [*run(graph, {x.name: arrays[value] for value, x in inputs.items()}).values()]

    @property
    def line(self) -> str:
        """The call in C."""
        sizes, kernel = ", ".join(map(str, self.sizes)), self.kernel
        counts = f"{len(self.sizes)}, {kernel.scratch_bytes}, {kernel.tasks}"
        return f"    call((void (*)()){kernel.function}, (size_t[]){{{sizes}}}, {counts});"


def calls_of(name: str, addresses: Addresses, library: Library) -> list[Call]:
    """The kernels on codes of a placed graph."""
    found = []
    for node in filter(on_codes, addresses.nodes):
        inputs = tuple(
            tuple(map(addresses.buffer, o.values)) if isinstance(o, ChannelView) else ()
            for o in node.operands
        )
        outputs = tuple(map(addresses.buffer, node.results))
        kernel = integer_kernels.build(Site(node, inputs, outputs, library))
        found.append(Call(node, kernel, inputs, outputs, name))
    return found


def _given(seed: int, value: Value) -> np.ndarray:
    """Random codes, or floats with some that are none among them."""
    array = codes(seed, value.type)
    if array.dtype == np.float32:
        array = array.copy()
        array.ravel()[3::7] = np.resize(ODD, array.size)[3::7]
    return array


def _places(buffer: Buffer) -> np.ndarray:
    """Bytes of a buffer that hold its tensor."""
    size, pixels = buffer.element_bytes, buffer.pixel_bytes * np.arange(buffer.pixels)[:, None]
    return (pixels + np.arange(size * buffer.type.channels)).ravel()


def _neighbours(buffer: Buffer) -> np.ndarray:
    """Bytes of a buffer that a kernel may not overwrite."""
    pixels = buffer.pixel_bytes * np.arange(buffer.pixels - 1)[:, None]
    return (pixels + np.arange(buffer.element_bytes * buffer.room, buffer.pixel_bytes)).ravel()


def build(folder: Path, machine: Machine, library: Library, calls: Sequence[Call]) -> Path:
    """The program."""
    names = dict.fromkeys(call.kernel.function for call in calls)
    cases = "\n".join(
        f"            case {n}: kernel({', '.join(f'at[{i}]' for i in range(n + 1))}, task, end);"
        " break;"
        for n in sorted({len(call.sizes) for call in calls})
    )
    main, code, program = folder / "main.c", folder / "kernels.o", folder / "kernels"
    declared = "\n".join(f"void {name}();" for name in names)
    lines = "\n".join(call.line for call in calls)
    main.write_text(MAIN.format(declarations=declared, cases=cases, calls=lines))
    text = "\n".join([*declarations(isa_of(machine.target)), library.text()])
    code.write_bytes(object_code(text.replace("define internal", "define"), machine.target))
    link_executable([main, code], program, machine.link, Zig())
    return program


def wrong_calls(
    folder: Path, machine: Machine, library: Library, calls: Sequence[Call]
) -> list[str]:
    """The names of cases whose kernels make other bits than the oracle, or touch a neighbour."""
    program, data, wanted = build(folder, machine, library, calls), [], []
    for seed, call in enumerate(calls):
        arrays = {value: _given(seed, value) for value in call.values}
        wanted.append(call.expected(arrays))
        operands = len(call.buffers) - len(call.outputs)
        for number, buffer in enumerate(call.buffers):
            room = np.full(buffer.extent, 0xCA, np.uint8)
            if number < operands:
                room[_places(buffer)] = arrays[call.values[number]].ravel().view(np.uint8)
            data.append(room.tobytes())
        data.append(call.kernel.weights.tobytes())
    command = [machine.qemu, "-cpu", machine.cpu or machine.target.cpu, str(program)]
    done = subprocess.run(command, input=b"".join(data), capture_output=True, check=False)
    assert done.returncode == 0, f"{done.returncode} after {len(done.stdout)} bytes"
    found, wrong = np.frombuffer(done.stdout, np.uint8), dict[str, None]()
    for call, results in zip(calls, wanted, strict=True):
        for _ in range(2):
            *rooms, _, found = np.split(found, np.cumsum(call.sizes))
            made = rooms[len(rooms) - len(call.outputs) :]
            for room, buffer, array in zip(made, call.outputs, results, strict=True):
                same = np.array_equal(room[_places(buffer)], array.ravel().view(np.uint8))
                if not same or np.any(room[_neighbours(buffer)] != 0xCA):
                    wrong[call.name] = None
    assert found.size == 0
    return list(wrong)
