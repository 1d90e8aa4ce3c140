"""`mbc sweep`: a network over values of its parameters, for several targets."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_pipeline, add_source, add_threads, request, team
from mbc.cli.photos import add_photo_options, preprocessing
from mbc.cli.sweeps import show, write_picture
from mbc.cli.usage import Parser, UsageError, whole_number
from mbc.diag import error
from mbc.driver.bench import Contest
from mbc.driver.remote import TIMEOUT, Remote, keys_at
from mbc.driver.sweep.plan import Photos, Wishes, make_plan
from mbc.driver.sweep.run import Sweep
from mbc.report.canvas import CANVASES
from mbc.report.sweep.rows import Row
from mbc.targets.catalogue import NATIVE

ROUNDS = 100


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser, quantised=False)
    parser.set_defaults(mcpu=None, mattr=None, backend=None, arch=None, nvcc=None, quantize=None)
    add_pipeline(parser, may_stop=False, inspected=False)
    _add_points(parser)
    _add_measuring(parser)
    _add_boards(parser)
    add_threads(parser)
    add_photo_options(parser)
    _add_outputs(parser)


def _add_points(parser: Parser) -> None:
    group = parser.add_argument_group(
        "points", "-D NAME=A,B,C and -D NAME=FIRST:LAST:STEP go through values"
    )
    group.add_argument(
        "--target",
        dest="targets",
        type=_names,
        default=(NATIVE,),
        metavar="T,…",
        help=f"what to compile for (default {NATIVE}; see mbc targets)",
    )
    group.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="leave out points that do not meet it, such as 'arena<1MB'; may be repeated",
    )
    group.add_argument(
        "--weights-dir",
        type=Path,
        metavar="DIR",
        help="weights of each point: FILE's stem, then parameters, as in net-alpha=0.5.safetensors",
    )
    group.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="photos to classify, in a subfolder a class",
    )
    group.add_argument(
        "--samples", type=whole_number(1), metavar="N", help="how many photos are taken at most"
    )


def _add_measuring(parser: Parser) -> None:
    group = parser.add_argument_group("work")
    group.add_argument(
        "--jobs",
        type=whole_number(1),
        metavar="N",
        help="points to compile side by side (default: as many as there are CPUs)",
    )
    group.add_argument(
        "--rounds",
        type=whole_number(1),
        default=ROUNDS,
        metavar="N",
        help=f"runs to time after a few to warm up (default {ROUNDS})",
    )
    group.add_argument(
        "--no-measure", dest="measure", action="store_false", help="measure no times"
    )


def _add_boards(parser: Parser) -> None:
    group = parser.add_argument_group("boards")
    group.add_argument(
        "--rpc",
        metavar="HOST:PORT",
        help="measure on devices of this RPC tracker of TVM, by TVM: a target's points on those "
        "whose key is its name",
    )
    group.add_argument(
        "--key",
        dest="keys",
        type=_keys,
        metavar="TARGET=K,…",
        help="measure a target's points on the devices with this key",
    )
    group.add_argument(
        "--timeout",
        type=whole_number(1),
        metavar="S",
        help=f"seconds to wait for a device at most, and to use it then (default {TIMEOUT} each)",
    )


def _add_outputs(parser: Parser) -> None:
    group = parser.add_argument_group("output")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the rows as JSON")
    form.add_argument("--csv", action="store_true", help="print the rows as CSV")
    group.add_argument(
        "--plot", type=_picture, metavar="FILE", help="draw the fronts: a .svg or .png"
    )
    group.add_argument(
        "-o",
        dest="results",
        type=Path,
        metavar="FILE",
        help="what was found, as it is found (default build/NET-sweep.jsonl)",
    )
    group.add_argument(
        "--resume", action="store_true", help="keep what is in that file, and find the rest"
    )


def _names(text: str) -> tuple[str, ...]:
    names = [word.strip() for word in text.split(",")]
    for name in names:
        if not name or names.count(name) > 1:
            problem = f"names {name} twice" if name else f"takes T,T,…, found '{text}'"
            raise argparse.ArgumentTypeError(problem)
    return tuple(names)


def _keys(text: str) -> Mapping[str, str]:
    pairs = [word.partition("=") for word in text.split(",")]
    if not all(target and key for target, _, key in pairs):
        raise argparse.ArgumentTypeError(f"takes TARGET=K,…, found '{text}'")
    return {target: key for target, _, key in pairs}


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in CANVASES:
        raise argparse.ArgumentTypeError(f"takes a {' or '.join(CANVASES)}, found '{text}'")
    return path


def run(args: argparse.Namespace) -> int:
    """Sweep, print, and draw."""
    args.target = None
    results = args.results or Path("build") / f"{args.file.stem}-sweep.jsonl"
    plan = make_plan(request(args), _wishes(args, results))
    sweep = Sweep(plan)
    try:
        with console.progress(sweep.pieces, estimate=True) as observer:
            rows = sweep.rows(observer)
    except BaseException:
        console.note(f"{results} has what was found; the same command with --resume goes on")
        raise
    if args.plot is not None:
        write_picture(args.plot, args.file.stem, rows)
    show(args.file.stem, rows, as_json=args.json, as_csv=args.csv)
    return _status(rows)


def _wishes(args: argparse.Namespace, results: Path) -> Wishes:
    _refuse_idle(args)
    photos = None
    if args.images is not None:
        photos = Photos(args.images, args.samples, preprocessing(args))
    return Wishes(
        targets=args.targets,
        where=tuple(args.where),
        weights_dir=args.weights_dir,
        photos=photos,
        contest=Contest(args.rounds, team(args)),
        measure=args.measure,
        jobs=args.jobs or os.cpu_count() or 1,
        boards=_boards(args),
        results=results,
        resume=args.resume,
    )


def _refuse_idle(args: argparse.Namespace) -> None:
    """E0106 for options without effect."""
    if args.images is None:
        for name in ("samples", "preprocess", "mean", "std", "resize"):
            if getattr(args, name):
                raise error("E0106", f"--{name} does nothing: there are no photos, as of --images")
    if args.rpc is None:
        for name, given in (("key", args.keys), ("timeout", args.timeout)):
            if given:
                raise error("E0106", f"--{name} is for --rpc")
    elif not args.measure:
        raise error("E0106", "--rpc and --no-measure exclude each other")


def _boards(args: argparse.Namespace) -> dict[str, Remote]:
    """Return the devices of each target that has some: by --key, else by its name."""
    if args.rpc is None:
        return {}
    if args.cpus is not None:
        raise error("E0106", "--cpus pins our threads; on boards they are TVM's")
    keys: Mapping[str, str] = args.keys or {}
    for target in keys:
        if target not in args.targets:
            raise UsageError(f"--key names {target}, and --target does not", [])
    remote = Remote.at(args.rpc, None, args.timeout)
    known = keys_at(remote.tracker)
    wanted = {target: keys.get(target, target) for target in args.targets}
    found = {
        target: replace(remote, key=key)
        for target, key in wanted.items()
        if target in keys or key in known
    }
    for target in args.targets:
        if target not in found and target != NATIVE:
            listed = ", ".join(known) or "none"
            console.note(f"note: {target} is not measured: the tracker's devices are {listed}")
    return found


def _status(rows: list[Row]) -> int:
    """0, unless something else failed than networks that refuse their parameters, or all do."""
    failures = [row.failure for row in rows if row.failure is not None]
    only_refused = all(failure.refused for failure in failures)
    return 0 if only_refused and (len(failures) < len(rows) or not rows) else 1
