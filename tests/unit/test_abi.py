"""The generated header and the glue for main.c, as text; tests/e2e compiles them."""

import re

import pytest

from mbc.runtime.abi import ALIGNMENT, IoSpec, NetSpec, c_header, main_config

NET = NetSpec(
    name="mobilenet_v1",
    inputs=(IoSpec("x", (1, 224, 224, 3), "f32"),),
    outputs=(IoSpec("y", (1, 1000), "f32"),),
    arena_bytes=4096,
    shared_bytes=8192,
    scratch_bytes=128,
    weights_bytes=16_927_072,
)


def net(*inputs: str, outputs: tuple[str, ...] = ("y",)) -> NetSpec:
    return NetSpec(
        "n",
        tuple(IoSpec(name, (1,)) for name in inputs),
        tuple(IoSpec(name, (1,)) for name in outputs),
        arena_bytes=0,
        scratch_bytes=0,
        weights_bytes=0,
    )


def test_header_states_sizes_and_shapes() -> None:
    header = c_header(NET)
    for line in (
        "#define MOBILENET_V1_ALIGNMENT 64",
        "#define MOBILENET_V1_ARENA_BYTES 4096",
        "#define MOBILENET_V1_SHARED_BYTES 8192",
        "#define MOBILENET_V1_SCRATCH_BYTES 128",
        "#define MOBILENET_V1_INPUT_X_RANK 4",
        "#define MOBILENET_V1_INPUT_X_SHAPE {1, 224, 224, 3}",
        "#define MOBILENET_V1_INPUT_X_SIZE 150528",
        "#define MOBILENET_V1_OUTPUT_Y_SHAPE {1, 1000}",
        " *   input   x: float [1, 224, 224, 3]",
        "size_t mobilenet_v1_arena_bytes(int threads);",
        "int mobilenet_v1_run(const mobilenet_v1_io *io, void *arena, mbc_pool *pool);",
    ):
        assert line in header
    assert "typedef struct {\n  const float *x;\n  float *y;\n} mobilenet_v1_io;" in header


def test_pointers_stand_in_order_under_distinct_names() -> None:
    spec = net("x", "X", "x", "int", outputs=("x", "out.0"))
    assert spec.fields() == ("x", "x_2", "x_3", "int_", "x_4", "out_0")
    macros = re.findall(r"#define (\w+)", c_header(spec))
    assert len(macros) == len(set(macros))


def test_several_threads_have_a_plan_of_their_own_and_scratch_each() -> None:
    assert NET.total_bytes(1) == 4096
    assert NET.total_bytes(4) == 8192 + 4 * 128


def test_main_config_holds_memory_for_one_thread() -> None:
    config = main_config(NET)
    assert "#define MBC_NET_MEMORY 4096 " in config
    assert '{"x", 4, {1, 224, 224, 3}, 150528, buffer_x},' in config
    assert f"#define MBC_NET_MEMORY {ALIGNMENT} " in main_config(net("x"))  # C has no empty array


@pytest.mark.parametrize(("arena", "scratch"), [(1, 0), (64, 32)])
def test_sizes_must_keep_the_scratch_aligned(arena: int, scratch: int) -> None:
    with pytest.raises(ValueError, match="no multiple of 64"):
        NetSpec("n", (), (), arena_bytes=arena, scratch_bytes=scratch, weights_bytes=0)


def test_a_name_that_c_does_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="'a-b' cannot name a network in C"):
        NetSpec("a-b", (), (), arena_bytes=0, scratch_bytes=0, weights_bytes=0)


def test_a_dtype_without_a_c_type_is_refused() -> None:
    with pytest.raises(ValueError, match="x: no C type for f8"):
        IoSpec("x", (1,), "f8")
