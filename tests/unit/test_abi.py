"""The generated header and the glue for main.c, as text; tests/e2e compiles them."""

import re
from dataclasses import replace

import pytest

from mbc.alignment import ALIGNMENT
from mbc.diag import MbcError
from mbc.runtime.abi import ABI_H, ABI_VERSION, ELEMENTS, IoSpec, NetSpec
from mbc.runtime.header import c_header
from mbc.runtime.manifest import io_specs
from mbc.runtime.manifest import tensors as tensors_of_manifest
from mbc.runtime.program import main_config

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
    fields = "  const float *x;\n  float *y;\n"
    assert f"typedef struct mobilenet_v1_io {{\n{fields}}} mobilenet_v1_io;" in header


def test_a_build_is_in_every_name_that_a_linker_sees() -> None:
    header = c_header(replace(NET, build="0123456789ab"))
    for line in (
        " * Build 0123456789ab.",
        "#ifndef MOBILENET_V1_H_0123456789ab",
        "#define MOBILENET_V1_H_0123456789ab",
        '#define MOBILENET_V1_BUILD "0123456789ab"',
        "#define mobilenet_v1_run mobilenet_v1_run_0123456789ab",
        "#define mobilenet_v1_arena_bytes mobilenet_v1_arena_bytes_0123456789ab",
        "#define mobilenet_v1_flush_subnormals mobilenet_v1_flush_subnormals_0123456789ab",
        "#define mobilenet_v1_abi mobilenet_v1_abi_0123456789ab",
        "typedef struct mobilenet_v1_io_0123456789ab {",
    ):
        assert f"{line}\n" in header


def test_elements_have_types_scales_and_zero_points() -> None:
    tensors = (
        IoSpec("image", (1, 8), "u8", scale=0.0078125, zero_point=128),
        IoSpec("half", (2,), "f16"),
        IoSpec("signed", (2,), "s8", scale=2, zero_point=-3),
        IoSpec("sums", (2,), "s32", scale=1e-05),
    )
    spec = NetSpec("q", tensors, (IoSpec("y", (2,)),), 0, 0, weights_bytes=0)
    lines = c_header(spec).splitlines()
    for line in (
        " *   input   image: uint8_t [1, 8], 0.0078125 * (element - 128)",
        "#define Q_INPUT_IMAGE_TYPE MBC_U8",
        "#define Q_INPUT_IMAGE_CTYPE uint8_t",
        "#define Q_INPUT_IMAGE_SCALE 0.0078125f",
        "#define Q_INPUT_IMAGE_ZERO_POINT (128)",
        "#define Q_INPUT_HALF_CTYPE uint16_t",
        "#define Q_INPUT_SIGNED_SCALE 2.0f",
        "#define Q_INPUT_SIGNED_ZERO_POINT (-3)",
        "#define Q_INPUT_SUMS_TYPE MBC_S32",
        "#define Q_INPUT_SUMS_SCALE 1e-05f",
        "  const int8_t *signed_;",
        "  const uint16_t *half;",
    ):
        assert line in lines
    assert "Q_INPUT_HALF_SCALE" not in c_header(spec)
    listed = tensors_of_manifest(spec)[0]
    assert io_specs(listed) == tensors
    with pytest.raises(MbcError, match=r"E0608: .* take f32 and bytes; input half of q is f16"):
        main_config(spec)


def test_the_codes_of_element_types_are_those_of_the_header() -> None:
    codes = dict(re.findall(r"MBC_(\w+) = (\d)", ABI_H.read_text()))
    assert codes == {name.upper(): str(each.code) for name, each in ELEMENTS.items()}
    assert f"#define MBC_ABI_VERSION {ABI_VERSION}\n" in ABI_H.read_text()


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
    assert '{"x", 4, {1, 224, 224, 3}, 150528, MBC_F32, buffer_x},' in config
    assert f"#define MBC_NET_MEMORY {ALIGNMENT} " in main_config(net("x"))  # C has no empty array


@pytest.mark.parametrize(("arena", "scratch"), [(1, 0), (64, 32)])
def test_sizes_must_keep_the_scratch_aligned(arena: int, scratch: int) -> None:
    with pytest.raises(ValueError, match="not a multiple of 64"):
        NetSpec("n", (), (), arena_bytes=arena, scratch_bytes=scratch, weights_bytes=0)


def test_a_name_that_c_does_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="'a-b' cannot name a network in C"):
        NetSpec("a-b", (), (), arena_bytes=0, scratch_bytes=0, weights_bytes=0)


def test_a_dtype_without_a_c_type_is_refused() -> None:
    with pytest.raises(ValueError, match="x: no C type for f8"):
        IoSpec("x", (1,), "f8")
    with pytest.raises(ValueError, match="x: a zero point needs a scale"):
        IoSpec("x", (1,), "u8", zero_point=3)
