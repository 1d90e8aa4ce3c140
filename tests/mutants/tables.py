"""The tables of the product, each with the tests that fail without any one of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.mutants.code_tables import ON_CODES
from tests.mutants.judge import ROOT
from tests.mutants.rows import Table

CODES_FOLDER = ROOT / "mbc" / "codes"

EVERY_OP = "tests/unit/test_every_op.py"
EVERY_ACTIVATION = "tests/backends/test_every_activation.py"
KERNELS = "tests/backends/test_kernels.py"
TARGETS = "tests/golden/test_targets.py"
PIPELINES = "tests/unit/test_levels.py"
CODES = "tests/unit/test_codes.py"
REMARKS = "tests/unit/test_remarks.py"
INSPECTED = "tests/e2e/test_inspect_views.py"
HINTS = "tests/unit/test_hints.py"
PHOTOS = "tests/unit/test_images.py"
PREPARED = "tests/unit/test_preprocessing.py"
WEIGHTS = "tests/unit/test_weights_files.py"
CLI = "tests/e2e/test_cli.py"
OPS_PAGE = "tests/unit/test_ops_page.py"

KINDS = ("linear", "elementwise", "unary", "rows", "pools", "spatial", "moves")
"""Kinds of ops, by which folders of emitters are split."""

NOTICED: Mapping[str, tuple[str, ...]] = {
    INSPECTED: (
        "mbc/cli/inspecting/first.py CLOCKS",
        "mbc/cli/inspecting/views.py STYLES",
    ),
    REMARKS: (
        "mbc/remarks/__init__.py PASSES",
        *(
            f"mbc/remarks/{name}.py PASSES"
            for name in ("quantising", "folding", "moves", "fusing", "planning")
        ),
        "mbc/remarks/moves.py REMOVED",
        "mbc/remarks/fusing.py JUDGED",
        "mbc/remarks/fusing.py FOLLOWED",
    ),
    EVERY_OP: (
        "mbc/ops/__init__.py OPS",
        "mbc/interp/kernels.py KERNELS",
        "mbc/interp/kernels.py FORMULAS",
        "mbc/ops/elementwise.py ARITHMETIC",
        "mbc/interp/kernels.py REDUCTIONS",
        "mbc/ops/reduce.py REDUCTIONS",
        "frontends/onnx/emitters/reductions.py KINDS",
        "mbc/ops/unary.py UNARY",
        "mbc/interp/unary.py FORMULAS",
        "frontends/onnx/emitters/unary.py KINDS",
        "backends/llvm/unary.py unary()",
        "frontends/weights/normal.py FORMULAS",
        "frontends/onnx/emitters/elementwise.py ARITHMETIC",
        "backends/llvm/kernels/elementwise.py FORMULAS",
        "backends/tvm/legal/elementwise.py FORMULAS",
        "backends/tvm/gpu/arithmetic.py FORMULAS",
        "mbc/targets/elements.py KERNELS",
        "mbc/targets/elements.py MOVED",
        "frontends/onnx/emitters/codes.py EMITTERS",
        "mbc/targets/elements.py CONVERSIONS",
        "mbc/ops/move.py moved_views()",
        "mbc/ops/grid.py GRID",
        "mbc/ops/strided.py copies_of()",
        "mbc/ops/linear.py WEIGHTED",
        "frontends/weights/moments.py _after()",
        "frontends/weights/moments.py _computed()",
        "frontends/weights/moments.py _of_several()",
        "frontends/weights/seeded.py DRAWS",
        "frontends/onnx/ops.py EMITTERS",
        *(f"frontends/onnx/emitters/{kind}.py EMITTERS" for kind in KINDS),
        "frontends/onnx/emitters/reductions.py EMITTERS",
        "backends/llvm/backend.py BUILDERS",
        "backends/llvm/kernels/elementwise.py _vector()",
        "backends/llvm/kernels/windows.py window_of()",
        "backends/llvm/backend.py GATHERING",
        "backends/tvm/legal/nodes.py EMITTERS",
        *(f"backends/tvm/legal/{kind}.py EMITTERS" for kind in KINDS),
        "backends/tvm/gpu/kernels.py BUILDERS",
    ),
    EVERY_ACTIVATION: (
        *(
            f"{file}.py {function}()"
            for file, first in {
                "backends/llvm/activations": "activate",
                "backends/tvm/legal/activations": "activated",
                "backends/tvm/gpu/epilogue": "activated",
                "frontends/onnx/emitters/activations": "activated",
            }.items()
            for function in (first, "_smooth")
        ),
    ),
    "tests/unit/test_text_roundtrip.py": (
        "mbc/ir/activations.py SHORT",
        "mbc/schedules/__init__.py SCHEDULES",
    ),
    "tests/unit/test_weights.py": ("frontends/weights/normal.py activated()",),
    TARGETS: (
        *(
            f"mbc/targets/architectures/{name}.py {table}"
            for name, tables in {
                "aarch64": "CPUS FEATURES IMPLIED SETS ASKED INSTRUCTIONS.patterns",
                "arm": "CPUS FEATURES IMPLIED SETS ASKED INSTRUCTIONS.groups ARM.elf_limits",
                "riscv64": "CPUS FEATURES IMPLIED ASKED INSTRUCTIONS.patterns",
                "x86_64": "CPUS FEATURES IMPLIED SETS ASKED TUNING "
                "INSTRUCTIONS.patterns INSTRUCTIONS.groups TWINS",
            }.items()
            for table in tables.split()
        ),
        "mbc/targets/architectures/__init__.py BASELINES",
        "mbc/targets/boards.py BOARDS",
        "mbc/targets/catalogue.py ENTRIES",
        "mbc/targets/cpu_check.py _MACOS",
        "mbc/targets/elsewhere.py _REASONS",
        "mbc/targets/elsewhere.py _INSTEAD",
        "mbc/targets/gpu.py GPU_TARGETS",
        "mbc/targets/gpu.py BOARD_GPUS",
        "mbc/targets/gpu.py INSTEAD",
        "backends/tvm/gpu/schedule.py CUDA",
        "backends/tvm/gpu/schedule.py OPENCL",
        "backends/tvm/gpu/schedule.py FACTS",
    ),
    "tests/unit/test_targets.py": (
        "backends/llvm/data.py DATA_SECTIONS",
        "backends/llvm/isa.py ISAS",
        "backends/llvm/subnormals.py _REGISTERS",
        "backends/llvm/toolchain.py LINK_FLAGS",
        "mbc/targets/conformance/__init__.py CHECKS",
    ),
    PIPELINES: (
        "passes/pipelines.py PASSES",
        "passes/pipelines.py PLANS",
        "passes/pipelines.py MERGE",
        "passes/pipelines.py FUSE",
        "passes/pipelines.py FUSE_GATES",
        "passes/pipelines.py O0",
        "passes/pipelines.py O1",
        "passes/pipelines.py O2",
        "passes/pipelines.py O2_MEMORY",
        "passes/pipelines.py LEVELS",
        "passes/pipelines.py GOALS",
        "passes/pipelines.py FUSING",
        "mbc/driver/pipeline.py LATER_STAGES",
    ),
    CODES: (
        "mbc/codes/__init__.py RANGES",
        "mbc/codes/__init__.py TABLES",
        *(f"mbc/codes/{path.name} CODES" for path in sorted(CODES_FOLDER.glob("e*.py"))),
    ),
    HINTS: (
        "frontends/dsl/elsewhere.py _LAYERS",
        "frontends/dsl/elsewhere.py _ADVICE",
        "frontends/dsl/elsewhere.py _OTHERS",
        "frontends/dsl/elsewhere.py _ARGUMENTS",
        "frontends/dsl/elsewhere.py _ARGUMENT_ADVICE",
        "frontends/dsl/elsewhere.py OF_CHANNELS",
    ),
    "tests/golden/test_dsl_errors.py": ("frontends/dsl/explain.py _CALLS",),
    "tests/unit/test_dsl.py": (
        "frontends/dsl/params.py NOUNS",
        "frontends/dsl/params.py TYPES",
        "frontends/dsl/params.py BOOLEANS",
    ),
    "tests/unit/test_dsl_moves.py": ("mbc/ops/grid.py MIRRORS",),
    "tests/unit/test_dsl_defaults.py": ("frontends/dsl/layers/defaults.py ACTIVATIONS",),
    WEIGHTS: (
        "frontends/weights/names.py PYTORCH",
        "frontends/weights/names.py KERAS",
        "frontends/weights/stored.py SUFFIXES",
    ),
    PHOTOS: (
        "mbc/runtime/images.py FORMATS",
        "mbc/runtime/images.py MODES",
        "mbc/runtime/images.py SIXTEEN_BITS",
    ),
    PREPARED: (
        "mbc/runtime/images.py RESAMPLING",
        "mbc/runtime/preprocessing.py RESIZES",
        "mbc/runtime/preprocessing.py FILTERS",
        "mbc/runtime/preprocessing.py ORDERS",
        "mbc/runtime/preprocessing.py PRESETS",
        "mbc/runtime/preprocessing.py _PARTS",
    ),
    CLI: (
        "mbc/cli/commands/new.py FOLDERS",
        "mbc/cli/dispatch.py COMMANDS",
    ),
    OPS_PAGE: (
        "mbc/driver/support.py COLUMNS",
        "mbc/cli/commands/ops.py HEADERS",
        "frontends/torch/aten/__init__.py ATEN",
        "frontends/torch/folding.py FOLDABLE",
    ),
    "tests/unit/test_pt2_archives.py": (
        "frontends/torch/archive.py OWN",
        "frontends/torch/archive.py PICKLED",
    ),
    "tests/unit/test_elements.py": (
        "mbc/runtime/abi.py ELEMENTS",
        "backends/llvm/isa.py LLVM_TYPES",
        "frontends/weights/types.py CONVERTED",
        "frontends/weights/types.py INTEGERS",
    ),
    "tests/unit/test_emitter.py": ("backends/llvm/emitter.py _FOLD",),
    "tests/unit/test_torch_files.py": (
        "frontends/weights/torch_names.py STORAGES",
        "frontends/weights/torch_names.py NAMES",
        *(
            f"frontends/weights/pickles.py {table}"
            for table in ("HANDLERS", "_NUMBERS", "_BYTES", "_STRINGS")
        ),
        "frontends/weights/state_dict.py PREFIXES",
        "frontends/weights/state_dict.py WRAPPERS",
        "frontends/weights/stored.py TORCH",
    ),
    "tests/unit/test_hostile_torch_files.py": ("frontends/weights/torch_zip.py SCRIPT",),
    "tests/unit/test_weights_map.py": ("frontends/weights/orders.py AXES",),
    "tests/unit/test_roles.py": ("mbc/ir/op.py AXES",),
    "tests/unit/test_text_errors.py": ("mbc/ir/text/cursor.py STATEMENT_WORDS",),
    "tests/backends/test_kernels.py::test_agrees_with_the_oracle": (
        "backends/llvm/kernels/strassen.py PRODUCTS",
        "backends/llvm/window_code.py _emit_results()",
        "backends/llvm/kernels/stream.py _pack()",
        "backends/llvm/kernels/stream.py _stage_name()",
        "backends/llvm/kernels/stream.py _stage()",
        "backends/llvm/kernels/chain.py _stage_plan()",
        "backends/llvm/kernels/chain.py row_window()",
    ),
    "tests/backends/test_decoder.py": (
        "mbc/targets/conformance/decoder.py ARCHITECTURES",
        "mbc/targets/conformance/decoder.py MODES",
    ),
    "tests/backends/test_conformance.py": ("mbc/targets/conformance/macho.py LINKER_SYMBOLS",),
    "tests/golden/test_golden.py": (
        "passes/fold_affine.py SCALED",
        "passes/fold_affine.py READING",
        "passes/fold_constants.py _combined()",
        "passes/fold_constants.py _unchanged()",
        "passes/views/reorder.py _keeps_channels()",
    ),
    "tests/numeric/test_resize.py": (
        "mbc/ops/resize.py MODES",
        "mbc/ops/resize.py COORDINATES",
        "mbc/ops/resize.py ROUNDINGS",
        "mbc/ops/resize.py _fractions()",
        "mbc/ops/resize.py _rounds_up()",
        "mbc/interp/resize.py COORDINATES",
        "mbc/interp/resize.py ROUNDINGS",
        "frontends/onnx/importer/versions.py OLD_COORDINATES",
        "frontends/lowering/rules/spatial.py MODES",
        "frontends/lowering/rules/spatial.py SAME_AS_HALF_PIXEL",
    ),
    "tests/unit/test_onnx_folding.py": (
        "frontends/onnx/importer/folding.py FOLDABLE",
        "frontends/onnx/importer/external.py BITS",
    ),
    "tests/numeric/test_onnx_codes.py": ("frontends/onnx/importer/quantised_ops.py BYTES",),
    "tests/numeric/test_onnx_quantised.py": (
        "frontends/onnx/importer/quantised_ops.py OPERATORS",
        "frontends/onnx/importer/quantised_ops.py QUANTISED",
        "frontends/onnx/importer/quantised_ops.py OWN_ATTRIBUTES",
        "frontends/onnx/importer/quantisation.py MOVES",
        "frontends/onnx/importer/folding.py SCALED",
    ),
    "tests/unit/test_long_values.py": (
        "frontends/onnx/importer/long_values.py FOLLOWED",
        "frontends/onnx/importer/long_values.py GROWING",
    ),
    "tests/unit/test_idle_clips.py": (
        "frontends/lowering/clips.py WITHIN",
        "frontends/lowering/clips.py MOVES",
        "frontends/lowering/clips.py OWN",
    ),
    "tests/onnx_backend/test_backend.py": (
        "frontends/lowering/rules/__init__.py IMPORTERS",
        "frontends/onnx/importer/expansion.py EXPANDED",
    ),
    "tests/numeric/test_tflite_import.py": (
        "frontends/tflite/ops/__init__.py TRANSLATORS",
        "frontends/tflite/ops/pointwise.py TRANSLATORS",
        "frontends/tflite/ops/reductions.py TRANSLATORS",
        "frontends/tflite/ops/windows.py TRANSLATORS",
        "frontends/tflite/prepare.py INDICES",
        "frontends/tflite/prepare.py OF_INDICES",
    ),
    "tests/numeric/test_tflite_codes.py": (
        "frontends/tflite/activations.py CLIPS",
        "frontends/tflite/codes.py CODES",
        "frontends/tflite/translation.py BEYOND",
    ),
    "tests/numeric/test_tflite_weights.py": (
        "frontends/tflite/ops/quantised.py CONVERSIONS",
        "frontends/tflite/ops/quantised.py TRANSLATORS",
        "frontends/tflite/translation.py LAYERS",
    ),
    "tests/hostile/test_tflite_codes.py": ("frontends/tflite/ops/quantised.py KEEPING",),
    "tests/numeric/test_tflite_moves.py": (
        "frontends/tflite/ops/moves.py TRANSLATORS",
        "frontends/tflite/ops/moves.py MIRRORS",
        "frontends/tflite/slices.py MASKS",
    ),
    "tests/unit/test_tflite_folding.py": (
        "frontends/tflite/arrays.py DTYPES",
        "frontends/tflite/folding.py FOLDS",
    ),
    "tests/hostile/test_tflite_files.py": (
        "frontends/tflite/activations.py ACTIVATIONS",
        "frontends/tflite/codes.py LIMITS",
        "frontends/tflite/prepare.py LEARNT",
        "frontends/tflite/ops/quantised.py FLOATS",
    ),
    "tests/e2e/test_import.py": (
        "mbc/driver/formats.py FORMATS",
        "mbc/driver/formats.py KINDS",
        "mbc/driver/formats.py CUTS",
        "mbc/driver/formats.py OPTIONS",
    ),
    "tests/numeric/test_onnx_activations.py": (
        "frontends/lowering/rules/activations.py ACTIVATIONS",
        "frontends/lowering/formulas.py NUMERIC",
        "frontends/lowering/formulas.py ENDS",
        "frontends/lowering/formulas.py WITHOUT_PARAMETERS",
    ),
    "tests/unit/test_presets.py": ("frontends/weights/presets.py PRESETS",),
    "tests/unit/test_configuration.py": (
        "mbc/driver/producers/tvm.py COMPLETE",
        "mbc/driver/optimise.py TARGET_KEYS",
        "mbc/driver/configuration.py _producer()",
    ),
    "tests/numeric/test_passes.py": ("passes/fold_constants.py _is_identity()",),
    "tests/numeric/test_onnx_export.py": (
        "mbc/driver/export.py TIDY",
        "frontends/onnx/export.py IR_VERSIONS",
        "frontends/onnx/emitters/reductions.py GLOBAL",
    ),
    "tests/unit/test_kinds_of_files.py": (
        "mbc/driver/producers/llvm_files.py EMITTERS",
        "mbc/driver/producers/llvm_files.py DEFAULT_EMIT",
        "mbc/driver/producers/llvm_files.py ANDROID_EMIT",
        "mbc/driver/producers/llvm_files.py CODE_KINDS",
        "mbc/driver/producers/llvm_files.py RUNNABLE_KINDS",
    ),
    "tests/e2e/test_argmax.py": ("mbc/runtime/shared_runner.py CODES",),
    "tests/e2e/test_byte_inputs.py": ("mbc/cli/photos.py NUMBERS", "mbc/cli/photos.py RAW"),
    "tests/e2e/test_cpus.py": ("mbc/runtime/cpus.py CLUSTERS",),
    "tests/unit/test_cpus.py": ("mbc/runtime/cpus.py MEASURES",),
    "tests/e2e/test_cli_bench.py": ("mbc/engines/catalogue.py ENGINES",),
    "tests/e2e/test_tvm_gpu.py": ("mbc/driver/producers/gpu.py SUFFIXES",),
    "tests/unit/test_abi.py": ("mbc/runtime/header.py FUNCTIONS",),
    "tests/unit/test_sweep.py": (
        "mbc/report/canvas.py ANCHORS",
        "mbc/report/canvas.py CANVASES",
        "mbc/report/sweep/front.py COSTS",
        "mbc/report/sweep/rows.py COLUMNS",
        "mbc/report/sweep/where.py COMPARISONS",
        "mbc/report/sweep/where.py UNITS",
        "mbc/driver/sweep/results.py FAILURE",
    ),
    "tests/numeric/test_papers.py": (
        "mbc/papers/__init__.py PAPERS",
        "mbc/papers/compare.py ROUNDINGS",
        "mbc/papers/counts.py COUNTS",
    ),
}
"""The tables, as "file name", by the tests that notice."""


def tables() -> Iterator[Table]:
    """Yield all tables."""
    for tests, named in (*NOTICED.items(), *ON_CODES.items()):
        for table in named:
            file, name = table.split()
            yield Table(file, name, tests)
