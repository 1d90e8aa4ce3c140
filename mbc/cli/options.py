"""The options that several commands share, and the request that they add up to."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TypeAlias

from mbc.cli.usage import Parser, UsageError, whole_number
from mbc.driver.formats import LISTED
from mbc.driver.instrumentation import Inspection
from mbc.driver.request import Request
from mbc.frontends.options import LAYOUTS, ModelOptions
from mbc.frontends.weights.presets import SOURCES
from mbc.passes.pipelines import FUSE_MODES, GOALS
from mbc.runtime.cpus import CLUSTERS, check_cpus, choose_cpus, parse_cpus
from mbc.runtime.pool import Team
from mbc.targets.gpu import GPU_TARGETS

Group: TypeAlias = argparse._ArgumentGroup


def add_source(parser: Parser, *, quantised: bool = True, optional: bool = False) -> None:
    """Add the file, the parameters of its network, its weights and their quantisation."""
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        nargs="?" if optional else None,
        help=f"network (.py, which is run), model ({LISTED}) or IR text (.mbc)",
    )
    group = add_parameters(parser)
    parser.set_defaults(name=None, input_dtype=None, normalize=None)
    group.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights: .safetensors, .npz or .pth"
    )
    add_weights_from(group)
    group.add_argument(
        "--seed",
        type=whole_number(0),
        metavar="N",
        help="of the weights' initialisation, where no file gives them (default 0)",
    )
    if quantised:
        add_quantize(group)


def add_quantize(group: Parser | Group) -> None:
    """Add the option that has a network compute on codes."""
    group.add_argument(
        "--quantize",
        type=Path,
        metavar="FILE",
        help="compute on 8-bit codes, by the ranges that mbc quantize wrote",
    )


def add_bytes(parser: Parser) -> None:
    """Add the options that have a network take bytes, as cameras give them."""
    group = parser.add_argument_group("bytes")
    group.add_argument(
        "--input-dtype",
        metavar="u8",
        help="take inputs as bytes, uint8: all, or with NAME=u8,… some (default: float32)",
    )
    group.add_argument(
        "--normalize",
        metavar="HOW",
        help="what the network makes of bytes: imagenet, tf, another preset's name, or MEAN/STD "
        "of values 0…1; else as --preprocess, or the samples of --quantize, or as they are",
    )


def add_weights_from(group: Parser | Group) -> None:
    """Add the option that names the library that weights are from."""
    group.add_argument(
        "--weights-from",
        choices=SOURCES,
        metavar="LIBRARY",
        help=f"{', '.join(SOURCES)}: the tensors are named as there, and padding, activation and "
        "epsilon are set to what they are there, unless -D sets them",
    )


def add_parameters(parser: Parser) -> Group:
    """Add the parameters of the network; returns the group, for more."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "-D",
        dest="params",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set a parameter of the network; may be repeated",
    )
    group.add_argument("--batch", type=int, metavar="N", help="images at a time (default 1)")
    group.add_argument("--network", metavar="NAME", help="which one, if the file has several")
    add_model(parser)
    return group


def add_model(parser: Parser) -> None:
    """Add the options of the import of a model."""
    group = parser.add_argument_group("model", "values have the names of the model")
    group.add_argument(
        "--shape",
        dest="shapes",
        metavar="NAME=1x3x224x224",
        action="append",
        default=[],
        help="set an input whose shape is symbolic, in the model's own order of axes; may be "
        "repeated",
    )
    for role, text in (
        ("in", "take the part of the model that follows these values, which become the inputs"),
        ("out", "take the part of the model that these values need, which become the outputs"),
    ):
        group.add_argument(
            f"--{role}puts",
            dest=f"model_{role}puts",
            metavar="NAME,…",
            action="append",
            default=[],
            help=text,
        )
    group.add_argument(
        "--input-layout",
        choices=LAYOUTS,
        default=LAYOUTS[0],
        metavar="LAYOUT",
        help=f"{' or '.join(LAYOUTS)}: how callers give images (default {LAYOUTS[0]})",
    )
    group.add_argument(
        "--external-data",
        type=Path,
        metavar="DIR",
        help="read the model's data from this folder too (default: from its own alone)",
    )
    group.add_argument(
        "--float",
        dest="floats",
        action="store_true",
        help="compute a quantised model in float32, with its ranges as clips",
    )


def add_target(parser: Parser, *, default: str = "native", title: str = "target") -> None:
    """Add the options of a CPU target."""
    group = parser.add_argument_group(title)
    group.add_argument(
        "--target", metavar="T", help=f"what to compile for (default {default}; see mbc targets)"
    )
    group.add_argument("--mcpu", metavar="CPU", help="CPU, by LLVM's name")
    group.add_argument(
        "--mattr", metavar="+A,-B", help="features to add or remove, by LLVM's names"
    )
    parser.set_defaults(backend=None, arch=None, nvcc=None)


def add_gpu(parser: Parser) -> None:
    """Add the options of a GPU target."""
    group = parser.add_argument_group("GPU")
    known = "; ".join(f"{gpu.api}: {', '.join(gpu.arches)}" for gpu in GPU_TARGETS)
    group.add_argument("--arch", metavar="A", help=f"which GPU ({known})")
    group.add_argument("--nvcc", metavar="NVCC", help="CUDA's compiler (default: that on PATH)")


def for_this_machine(parser: Parser) -> None:
    """Set the target's options to their defaults: the command runs what it compiles."""
    parser.set_defaults(target=None, mcpu=None, mattr=None, backend=None, arch=None, nvcc=None)


def add_pipeline(parser: Parser, *, may_stop: bool = True, inspected: bool = True) -> None:
    """Add the options that choose passes, and those that inspect them."""
    group = parser.add_argument_group("passes")
    for level, text in enumerate(LEVELS):
        group.add_argument(f"-O{level}", dest="level", action="store_const", const=level, help=text)
    group.add_argument(
        "--optimize",
        choices=tuple(GOALS),
        metavar="GOAL",
        help=f"{' or '.join(GOALS)}: what to fuse for (default speed)",
    )
    group.add_argument(
        "--fuse",
        choices=FUSE_MODES,
        metavar="WHEN",
        help=f"{', '.join(FUSE_MODES)}: when convolutions become one kernel with their "
        "neighbours (default auto: where the cost model says that it pays)",
    )
    group.add_argument(
        "--no-strassen",
        dest="strassen",
        action="store_false",
        help="multiply no layer by Strassen's method, which takes less time and rounds otherwise",
    )
    group.add_argument(
        "--passes", metavar="SPEC", help="run these passes instead: a,b{option=value}"
    )
    if may_stop:
        group.add_argument("--stop-after", metavar="STAGE", help="stop there (see mbc passes)")
    else:
        parser.set_defaults(stop_after=None)
    if inspected:
        add_instruments(parser)


LEVELS = (
    "no pass but the memory plan",
    "fold constants and batch norms, fuse activations",
    "remap shuffles and fuse kernels as well (default)",
    "what takes long to compile too (today the same as -O2)",
)


def add_threads(parser: Parser) -> None:
    """Add the threading options."""
    group = parser.add_argument_group("threads")
    group.add_argument(
        "--threads", type=whole_number(1), metavar="N", help="compute on N threads (default 1)"
    )
    group.add_argument(
        "--cpus",
        type=_cpus,
        metavar="LIST",
        help="pin thread i to the i-th of these CPUs, such as 4-7 or 0,2; or to the big or the "
        "little ones, by these words; as many threads as CPUs unless --threads says otherwise",
    )


def add_timed_run(parser: Parser) -> argparse._ArgumentGroup:
    """Add the options of commands that time a network on this machine; returns the group of the
    timing, for more."""
    add_source(parser)
    add_bytes(parser)
    for_this_machine(parser)
    add_pipeline(parser, may_stop=False)
    add_threads(parser)
    group = parser.add_argument_group("timing")
    group.add_argument(
        "--rounds",
        type=whole_number(1),
        default=100,
        metavar="N",
        help="runs to time after a few to warm up (default 100)",
    )
    return group


def _cpus(text: str) -> str | tuple[int, ...]:
    if text in CLUSTERS:
        return text
    try:
        return parse_cpus(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"takes CPUs such as 4-7 or 0,2, or one of {', '.join(CLUSTERS)}, found '{text}'"
        ) from None


def thread_options(args: argparse.Namespace) -> dict[str, object]:
    """Return the threading options with their values, for `refuse_options`."""
    return {"--threads": args.threads, "--cpus": args.cpus}


def team(args: argparse.Namespace) -> Team:
    """Return the threads that the options ask for; E0606 where this machine has no such CPUs."""
    if args.cpus is None:
        return Team(args.threads or 1)
    cpus = choose_cpus(args.cpus, args.threads)
    check_cpus(cpus)
    return Team(len(cpus), cpus)


def add_instruments(parser: Parser) -> None:
    """Add the options that inspect passes."""
    group = parser.add_argument_group("inspection")
    group.add_argument(
        "--dump-ir",
        nargs="?",
        const=Path("ir"),
        type=Path,
        metavar="DIR",
        help="write the IR after each pass as NN-PASS.mbc (default folder: ir/)",
    )
    group.add_argument(
        "--print-ir-after",
        action="append",
        default=[],
        metavar="PASS",
        help="print the IR after a pass, or after all, on stderr",
    )
    group.add_argument(
        "--print-ir-changed", action="store_true", help="print the IR after passes that changed it"
    )
    group.add_argument(
        "--check-passes",
        action="store_true",
        help="compare the oracle's answer before and after each pass, on random input",
    )
    group.add_argument("--time-passes", action="store_true", help="print the time of each pass")
    group.add_argument(
        "--remarks", action="store_true", help="print what passes did, and why they did not"
    )


def request(args: argparse.Namespace) -> Request:
    """Make the request that the shared options add up to; absent groups have their defaults."""
    return Request(
        file=args.file,
        params=parameters(args.params),
        batch=args.batch,
        network=args.network,
        model=model_options(args),
        weights=args.weights,
        weights_from=args.weights_from,
        seed=args.seed,
        quantize=args.quantize,
        input_dtype=args.input_dtype,
        normalize=args.normalize,
        target=args.target,
        mcpu=args.mcpu,
        mattr=args.mattr,
        backend=args.backend,
        arch=args.arch,
        nvcc=args.nvcc,
        level=args.level,
        optimize=args.optimize,
        fuse=args.fuse,
        strassen=args.strassen,
        passes=args.passes,
        stop_after=args.stop_after,
        name=args.name,
    )


def model_options(args: argparse.Namespace) -> ModelOptions:
    """Return the options of the import of a model."""
    return ModelOptions(
        shapes=input_shapes(args.shapes),
        inputs=value_names("--inputs", args.model_inputs),
        outputs=value_names("--outputs", args.model_outputs),
        input_layout=args.input_layout,
        external_data=args.external_data,
        floats=args.floats,
    )


def value_names(option: str, words: list[str]) -> tuple[str, ...]:
    """A,B words as a list; a name may be given once."""
    names = [name for word in words for name in word.split(",")]
    for name in names:
        if not name:
            raise UsageError(f"{option} takes NAME,NAME,…, found '{','.join(words)}'", [])
        if names.count(name) > 1:
            raise UsageError(f"{option} names {name} twice", [])
    return tuple(names)


def input_shapes(words: list[str]) -> dict[str, tuple[int, ...]]:
    """NAME=1x3x224x224 words as a dict; a name may be given once."""
    found: dict[str, tuple[int, ...]] = {}
    for word in words:
        name, _, text = word.rpartition("=")
        extents = text.split("x")
        if not name or not all(re.fullmatch("[1-9][0-9]{0,8}", extent) for extent in extents):
            example = "such as --shape x=1x3x224x224"
            raise UsageError(f"--shape takes NAME=EXTENTS, found '{word}'", [example])
        if name in found:
            raise UsageError(f"--shape {name} is given twice", [])
        found[name] = tuple(map(int, extents))
    return found


def inspection(args: argparse.Namespace) -> Inspection:
    """Return the inspections that the options ask for."""
    return Inspection(
        dump=args.dump_ir,
        print_after=tuple(args.print_ir_after),
        print_changed=args.print_ir_changed,
        check=args.check_passes,
        time=args.time_passes,
        remarks=args.remarks,
    )


def parameters(words: list[str]) -> dict[str, str]:
    """NAME=VALUE words as a dict; a name may be given once."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"-D takes NAME=VALUE, found '{word}'", ["such as -D alpha=0.5"])
        if name in found:
            raise UsageError(f"-D {name} is given twice: {found[name]} and {value}", [])
        found[name] = value
    return found
