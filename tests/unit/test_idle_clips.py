"""Clips of imported models that change nothing are left out; two in a row are one."""

from dataclasses import replace

import numpy as np
import pytest

from mbc.frontends.lowering.clips import without_idle_clips
from mbc.frontends.lowering.model import Model, Node
from mbc.ir.elements import Q8


def model(*words: str, outputs: tuple[str, ...] = ()) -> Model:
    """A model of lines such as `y = Clip x 0 6`, whose numbers are constants."""
    nodes, constants = [], dict[str, np.ndarray]()
    for word in words:
        results, _, text = word.partition(" = ")
        kind, *inputs = text.split()
        for name in inputs:
            if name.strip("-").isdigit():
                constants[name] = np.array(name, np.float32)
        names = tuple("" if name == "none" else name for name in inputs)
        nodes.append(Node(kind, results, names, tuple(results.split(","))))
    return Model(tuple(nodes), constants, {}, ("x",), outputs or (nodes[-1].outputs[0],))


def left(*words: str, outputs: tuple[str, ...] = ()) -> list[str]:
    """The lines that are left, with the bounds of clips as numbers."""
    found = without_idle_clips(model(*words, outputs=outputs))

    def text(name: str) -> str:
        return f"{found.constants[name].item():g}" if name in found.constants else name or "none"

    return [
        f"{','.join(node.outputs)} = {node.kind} {' '.join(map(text, node.inputs))}"
        for node in found.nodes
    ]


PARTS = ["a = Clip x 1 2", "b = Clip x 5 6", "c = Concat a b"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a = Clip x 0 6", "b = MaxPool a", "c = Clip b 0 6", "d = Exp c"], ["d = Exp b"]),
        (["a = Clip x 0 6", "b = MaxPool a", "c = Clip b 0 5", "d = Exp c"], []),
        (["a = Clip x 1 6", "b = AveragePool a", "c = Clip b 1 6", "d = Exp c"], []),
        (["a = Clip x -1 6", "b = AveragePool a", "c = Clip b -1 6", "d = Exp c"], ["d = Exp b"]),
        ([*PARTS, "d = Clip c 1 6", "e = Exp d"], ["e = Exp c"]),
        ([*PARTS, "d = Clip c 1 5", "e = Exp d"], []),
        (["a = Sigmoid x", "b = Clip a 0 1", "c = Exp b"], ["c = Exp a"]),
        (["a = Sigmoid x", "b = Clip a 0 none", "c = Exp b"], ["c = Exp a"]),
        (["a = Exp x", "b = Clip a 0 1", "c = Relu b"], ["c = Clip a 0 1"]),
        (["a = Exp x", "b = Relu a", "c = Clip b -1 4"], ["c = Clip a 0 4"]),
        (["a = Exp x", "b = Clip a -4 none", "c = Clip b none 4"], ["c = Clip a -4 4"]),
        (["a = Exp x", "b = Clip a 0 1", "c = Clip b 2 3"], []),
        (["a = Exp x", "b = Relu a", "c = Clip b 0 4", "d = Add b c"], []),
    ],
)  # fmt: skip
def test_clips(words: list[str], expected: list[str]) -> None:
    """`expected` is what the last lines become; nothing if all stay."""
    found = left(*words)
    if not expected:
        assert found == words
    else:
        assert found[-1:] == expected
        assert len(found) < len(words)


@pytest.mark.parametrize(
    "kind",
    [
        "DepthToSpace",
        "Flatten",
        "Gather",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Identity",
        "MaxPool",
        "ReduceMax",
        "ReduceMean",
        "Reshape",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
        "Resize",
    ],
)
def test_ops_that_stay_within_what_they_read(kind: str) -> None:
    words = ["a = Clip x 0 6", f"b = {kind} a", "c = Clip b 0 6", "d = Exp c"]
    assert left(*words)[-2:] == [f"b = {kind} a", "d = Exp b"]


@pytest.mark.parametrize(
    ("kind", "low"),
    [("HardSigmoid", 0), ("Sigmoid", 0), ("Softmax", 0), ("Tanh", -1)],
)
def test_ops_with_a_range_of_their_own(kind: str, low: int) -> None:
    words = [f"a = {kind} x", f"b = Clip a {low} 1", "c = Exp b"]
    assert left(*words) == [words[0], "c = Exp a"]
    words[1] = "b = Clip a -2 0"
    assert left(*words) == words


def test_formulas_that_are_clips() -> None:
    """Their bounds are attributes."""
    formula = Node("Clip", "b", ("a",), ("b",), {"min": 0.0, "max": 6.0})
    given = model("a = Clip x -9 9", "b = Exp a", "c = Clip b -1 4", "d = Exp c")
    first, _, *others = given.nodes
    made = replace(given, nodes=(first, formula, *others))
    _, clip, *_ = without_idle_clips(replace(made, elements={"a": Q8.of(0.7, 100), "c": A})).nodes
    assert (clip.kind, clip.inputs[0], clip.attributes) == ("Clip", "a", {})
    last = Node("Exp", "d", ("b",), ("d",))
    made = replace(made, nodes=(first, formula, last))
    kept = without_idle_clips(replace(made, elements={"a": Q8.of(0.7, 100)})).nodes
    assert [node.outputs[0] for node in kept] == ["a", "b", "d"]


def test_outputs_keep_their_clips() -> None:
    words = ["a = Sigmoid x", "b = Clip a 0 1"]
    assert left(*words) == words
    words = ["a = Exp x", "b = Relu a", "c = Clip b 0 4"]
    assert left(*words, outputs=("b", "c")) == words


A, B = Q8.of(6 / 255, 0), Q8.of(0.5, 0)


def on_codes(elements: dict[str, Q8], *words: str) -> tuple[list[str], dict[str, Q8]]:
    """The nodes that are left, and the codes of what they make."""
    found = without_idle_clips(replace(model(*words), elements=elements))
    made = [node.outputs[0] for node in found.nodes]
    return made, {name: e for name, e in found.elements.items() if name in made}


@pytest.mark.parametrize("end", [A, B])
@pytest.mark.parametrize(
    "move",
    [
        *(
            "DepthToSpace a",
            "Flatten a",
            "Gather a",
            "Identity a",
            "MaxPool a",
            "Pad a",
            "Reshape a",
        ),
        *("Slice a", "SpaceToDepth a", "Split a", "Squeeze a", "Transpose a", "Unsqueeze a"),
        *("Concat a a", "Clip a 1", "Relu a"),
    ],
)
def test_what_is_moved_is_on_codes_already(move: str, end: Q8) -> None:
    """A clip to the same codes is left out, one to others stays."""
    words = ["a = Clip x -1 6", f"b = {move}", "c = Clip b -2 7", "d = Exp c"]
    start = Q8.of(7 / 255, 36)
    end = start if end == A else end
    made, elements = on_codes({"a": start, "c": end}, *words)
    if end == start:
        assert "c" not in made
        assert len(elements) == 1
    else:
        assert list(elements.values()) == [start, end]


def test_what_is_computed_is_put_on_codes() -> None:
    """Unless others read it in float."""
    words = ["a = Exp x", "b = Sigmoid a", "c = Clip b 0 1", "d = Exp c"]
    assert on_codes({"c": A}, *words) == (["a", "b", "d"], {"b": A})
    words[-1] = "d = Add c b"
    assert on_codes({"c": A}, *words) == (["a", "b", "c", "d"], {"c": A})
    words = ["a = Sigmoid x", "b = Reshape a", "c = Clip b 0 1", "d = Exp c"]
    assert on_codes({"c": A}, *words) == (["a", "b", "c", "d"], {"c": A})


def test_two_roundings_stay_two() -> None:
    words = ["a = Exp x", "b = Clip a 0 6", "c = Clip b 0 4", "d = Exp c"]
    assert on_codes({"b": A}, *words) == (["a", "c", "d"], {"c": A})  # 4 is 170 steps
    assert on_codes({"b": A, "c": A}, *words) == (["a", "c", "d"], {"c": A})
    assert on_codes({"b": A, "c": B}, *words) == (["a", "b", "c", "d"], {"b": A, "c": B})
    assert on_codes({"b": Q8.of(0.3, 0)}, *words) == (["a", "b", "c", "d"], {"b": Q8.of(0.3, 0)})
    assert on_codes({"c": B}, *words) == (["a", "c", "d"], {"c": B})
