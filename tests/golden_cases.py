"""Golden files: IR text, the passes to run, and what comes of it.

    // CASE: relu joins its convolution
    // PASSES: fuse-activation
    // BACKEND: views=no                 fields of FakeBackend; optional
    // RANGES: x=-1:2, 0=0:6             what `quantise` takes; optional
    graph @g(%x: …) { … }
    // EXPECT                            or `// UNCHANGED`, or `// ERROR` with the rendered error
    graph @g(%x: …) { … }
    // REMARK: fuse-activation.fused: fused: %1 into %0

Cases are separated by `// ----`. From the expectation on a case is written by
`pytest --update-golden`. Line numbers in errors count from the case's first line of IR.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mbc.diag import MbcError, render
from mbc.int8.quantisation import Quantisation, Range
from mbc.ir.graph import Graph
from mbc.ir.text.parser import parse
from mbc.ir.text.printer import print_graph
from mbc.passes.pipelines import PASSES
from mbc.passmgr.instruments import Verify, remark_text
from mbc.passmgr.manager import PassRecord, run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.passmgr.pipeline import parse_passes, single_stage
from tests.fake_backend import FakeBackend

FOLDER = Path(__file__).parent / "golden"
SEPARATOR = "\n// ----\n"
EXPECTATIONS = ("// EXPECT", "// UNCHANGED", "// ERROR")


@dataclass(frozen=True)
class Case:
    """One case of a golden file; `expected` is its text from the expectation on."""

    file: Path
    name: str
    passes: str
    text: str
    expected: str
    backend: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.file.stem}: {self.name}"

    @property
    def is_error(self) -> bool:
        return self.expected.startswith("// ERROR")

    @property
    def is_unchanged(self) -> bool:
        return self.expected.startswith("// UNCHANGED")

    def graph(self) -> Graph:
        return parse(self.text, "case.mbc")

    def run(self, graph: Graph) -> list[PassRecord]:
        """Run the passes over a graph, verified after each."""
        pipeline = single_stage(parse_passes(self.passes, PASSES))
        return run_pipeline(graph, pipeline, self.context(), [Verify()])

    def context(self) -> PassContext:
        settings: dict[str, Any] = {key: _setting(text) for key, text in self.backend.items()}
        return PassContext(FakeBackend(**settings), self.quantisation())

    def quantisation(self) -> Quantisation | None:
        """The ranges, `keep=a b` of what stays in float, and `bits=7`."""
        given = dict(self.ranges)
        keep, bits = given.pop("keep", "").split(), int(given.pop("bits", "8"))
        ends = {name: map(float, text.split(":")) for name, text in given.items()}
        ranges = {name: Range(*pair) for name, pair in ends.items()}
        return Quantisation(ranges, frozenset(keep), bits) if self.ranges else None

    def outcome(self) -> str:
        """What comes of the case, in the form of its expectation."""
        try:
            graph = self.graph()
            before = print_graph(graph)
            records = self.run(graph)
        except MbcError as problem:
            text = "\n\n".join(render(d) for d in problem.diagnostics)
            return "\n".join(["// ERROR", *(f"// {line}".rstrip() for line in text.splitlines())])
        after = print_graph(graph)
        body = "// UNCHANGED" if after == before else f"// EXPECT\n{after.rstrip()}"
        remarks = [
            f"// REMARK: {remark_text(record, remark)}"
            for record in records
            for remark in record.result.remarks
        ]
        return "\n".join([body, *remarks])

    def render(self, expected: str) -> str:
        """The case as it stands in its file, with that expectation."""
        head = [f"// CASE: {self.name}", f"// PASSES: {self.passes}"]
        for key, settings in (("BACKEND", self.backend), ("RANGES", self.ranges)):
            text = ", ".join(f"{name}={value}" for name, value in settings.items())
            head += [f"// {key}: {text}"] if text else []
        return "\n".join([*head, self.text, expected])


def _setting(text: str) -> bool | float:
    words = {"yes": True, "no": False}
    if text in words:
        return words[text]
    return int(text) if text.isdigit() else float(text)


def cases() -> list[Case]:
    """The cases of all golden files."""
    return [case for path in sorted(FOLDER.glob("*.mbc")) for case in read(path)]


def read(path: Path) -> Iterator[Case]:
    for text in path.read_text().strip().split(SEPARATOR):
        yield _case(path, text.strip().splitlines())


def _case(path: Path, lines: list[str]) -> Case:
    end = next((i for i, line in enumerate(lines) if line in EXPECTATIONS), len(lines))
    settings = dict(_setting_line(path, line) for line in lines[:end] if line.startswith("// "))
    if settings.keys() - {"CASE", "PASSES", "BACKEND", "RANGES"} or "CASE" not in settings:
        raise ValueError(f"{path}: a case with the settings {', '.join(settings)}")
    backend, ranges = (settings.get(key, "").split(", ") for key in ("BACKEND", "RANGES"))
    return Case(
        path,
        settings["CASE"],
        settings["PASSES"],
        "\n".join(line for line in lines[:end] if not line.startswith("// ")),
        "\n".join(lines[end:]),
        dict(item.split("=", 1) for item in backend if item),
        dict(item.rsplit("=", 1) for item in ranges if item),
    )


def _setting_line(path: Path, line: str) -> tuple[str, str]:
    key, separator, value = line.removeprefix("// ").partition(": ")
    if not separator:
        raise ValueError(f"{path}: not 'KEY: value': {line}")
    return key, value


def write(path: Path) -> None:
    """Rewrite the expectations of a golden file."""
    path.write_text(SEPARATOR.join(c.render(c.outcome()) for c in read(path)) + "\n")
