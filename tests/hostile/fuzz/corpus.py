"""What is mutated, and the commands that must cope with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.frontends.weights.names import PYTORCH
from mbc.ir.text.module import SIDECAR, write_dump
from mbc.passes.pipelines import PASSES
from tests.golden_cases import cases
from tests.hostile.cases.weights import GOOD, NET, WHOLE
from tests.hostile.fuzz.models import mutated_model
from tests.hostile.fuzz.mutate import mutate_bytes, mutate_safetensors, mutate_text, mutate_words
from tests.hostile.fuzz.networks import NETWORKS
from tests.tflite_models import Drawing, sparse
from tests.tflite_quantised import Codes, quantised
from tests.torch_files import FORMATS, Storage, Tensor

PASS_NAMES = [each.name for each in PASSES]


@dataclass(frozen=True)
class Mutant:
    """Files by name, and a command line about them."""

    files: Mapping[str, bytes]
    words: tuple[str, ...]

    def __str__(self) -> str:
        shown = (f"--- {name}\n{data[:4000]!r}" for name, data in self.files.items())
        return "\n".join(["mbc " + " ".join(self.words), *shown])


@cache
def ir_texts() -> list[str]:
    """Before and after the passes of the golden cases, fused bodies and arenas among them."""
    texts = [text for case in cases() for text in (case.text, case.expected)]
    return [text for text in texts if "graph @" in text]


@cache
def dump() -> tuple[str, bytes]:
    """A graph that names its constants by hash, and these constants."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "net.py")
        path.write_text(NET)
        graph = load_network(path).trace()
        initialise(graph)
        text = write_dump(graph, path.parent, "net.mbc").read_text()
        return text, Path(folder, SIDECAR).read_bytes()


def mutated_ir(random: Random) -> Mutant:
    texts = ir_texts()
    mutant = mutate_text(random, random.choice(texts), texts)
    passes = ",".join(random.choices(PASS_NAMES, k=random.choice((0, 1, 2, 6))))
    words = random.choice(
        (
            ("opt", "net.mbc"),
            *[("opt", "net.mbc", "-p", passes, "-o", "new/net.mbc")] * 3,
            ("report", "net.mbc", "--target", "rpi4"),
            ("compile", "net.mbc", "--target", "armv7", "--stop-after", "lower"),
        )
    )
    return Mutant({"net.mbc": mutant}, words)


def mutated_weights(random: Random) -> Mutant:
    """In a file of their own, or beside IR text."""
    text, constants = dump()
    if random.random() < 0.3:
        files = {"net.mbc": text.encode(), SIDECAR: mutate_safetensors(random, constants)}
        return Mutant(files, ("opt", "net.mbc", "-p", "fold-batch-norm", "-o", "new/net.mbc"))
    files = {"net.py": NET.encode(), "w.safetensors": mutate_safetensors(random, WHOLE)}
    command = random.choice(
        (
            ("report", "net.py", "--weights", "w.safetensors"),
            ("compile", "net.py", "--weights", "w.safetensors", "--emit", "header", "-o", "out"),
        )
    )
    return Mutant(files, command)


@cache
def checkpoints() -> list[bytes]:
    """The weights as PyTorch would save them, in both formats and under a key."""
    state = {
        f"module.{name}": Tensor.of(array, Storage(array.reshape(-1), key=str(number)))
        for number, (name, array) in enumerate(torch_state().items())
    }
    return [make({"epoch": 3, "state_dict": state}) for make in FORMATS.values()]


def torch_state() -> dict[str, np.ndarray]:
    """The good weights by PyTorch's names, in its order of axes."""
    roles = {ours: theirs for theirs, ours in PYTORCH.items()}
    state = {}
    for name, array in GOOD.items():
        layer, _, role = name.rpartition(".")
        axes = (3, 2, 0, 1) if array.ndim == 4 else (0,)
        state[f"{layer}.{roles.get(role, role)}"] = np.ascontiguousarray(array.transpose(axes))
    return state


def mutated_checkpoint(random: Random) -> Mutant:
    data = mutate_bytes(random, random.choice(checkpoints()))
    words = random.choice((("show", "w.pth"), ("map", "w.pth", "net.py", "-o", "new.safetensors")))
    return Mutant({"net.py": NET.encode(), "w.pth": data}, ("weights", *words))


def mutated_network(random: Random) -> Mutant:
    network = mutate_text(random, random.choice(NETWORKS), NETWORKS)
    more = random.choice((("--stop-after", "import"), ("-O0",), (), ("--batch", "2")))
    return Mutant({"net.py": network}, ("report", "net.py", *more))


@cache
def lite_models() -> list[bytes]:
    """Models of TensorFlow Lite with most of what their files can have."""
    d = Drawing()
    x = d.conv("x", 8, 8, 3, act=1, StrideW=2)
    weight = d.op("DEQUANTIZE", d.constant(d.rng.standard_normal((8, 1, 1, 8)), np.float16))
    x = d.op("CONV_2D", x, weight, d.weight(8), options="Conv2DOptions", StrideW=1, StrideH=1)
    x = d.op("PAD", x, d.constant([[0, 0], [0, 1], [1, 0], [0, 2]]))
    x = d.op("PRELU", x, d.weight(1, 1, 10))
    shape = d.op("SHAPE", x, element="INT32")
    parts = d.op("SPLIT", d.constant(3), x, options="SplitOptions", NumSplits=2, results=2)
    x = d.op("CONCATENATION", f"{parts}.1", parts, options="ConcatenationOptions", Axis=3)
    x = d.op("RESIZE_BILINEAR", x, d.constant([5, 9]), options="ResizeBilinearOptions")
    first = d.model(d.op("SOFTMAX", x, options="SoftmaxOptions", Beta=1.0), x, shape)
    e = Drawing({"x": (3, 8)})
    name = e.constant(e.rng.standard_normal(16), np.float32, sparsity=sparse)
    e.tensors[e.number(name)] = replace(e.tensors[e.number(name)], shape=(4, 8))
    weight = e.op("DENSIFY", name)
    return [
        first,
        e.model(e.op("FULLY_CONNECTED", "x", weight, e.weight(4))),
        *(_on_codes(codes) for codes in (Codes(float_ends=True), Codes("UINT8"))),
    ]


def _on_codes(codes: Codes) -> bytes:
    """A quantised model with layers and ops of every form."""
    d = Drawing()
    x = d.conv("x", 8, 8, 3, act=1, StrideW=2)
    y = d.op("LOGISTIC", d.op("ADD", x, d.weight(8), options="AddOptions"))
    x = d.op("MUL", x, y, options="MulOptions")
    x = d.op("CONCATENATION", x, d.op("TANH", y), options="ConcatenationOptions", Axis=3)
    x = d.op("MEAN", x, d.constant([1, 2]), options="ReducerOptions")
    weight = d.weight(4, 16)
    x = d.op("FULLY_CONNECTED", x, weight, d.weight(4), options="FullyConnectedOptions")
    return quantised(d, [d.op("SOFTMAX", x, options="SoftmaxOptions", Beta=1.0)], codes)


def mutated_lite(random: Random) -> Mutant:
    data = mutate_words(random, random.choice(lite_models()))
    ways = (("import", "--check"), ("opt",), ("opt", "-p", "quantise"), ("opt", "--float"))
    command, *more = random.choice(ways)
    words = (command, "net.tflite", *more)
    return Mutant({"net.tflite": data}, words)


def mutated_onnx(random: Random) -> Mutant:
    """Mostly only imported, which is cheap."""
    data = mutated_model(random)
    words = random.choice(
        (
            *[("import", "net.onnx", "--check")] * 4,
            ("import", "net.onnx", "-o", "new/net.mbc"),
            ("import", "net.onnx", "--check", "--outputs", "relu2,reshape6"),
            ("import", "net.onnx", "--check", "--inputs", "relu2", "--external-data", "."),
            ("report", "net.onnx", "--target", "rpi4", "--input-layout", "nchw"),
        )
    )
    return Mutant({"net.onnx": data}, words)


KINDS: Mapping[str, Callable[[Random], Mutant]] = {
    "text": mutated_ir,
    "weights": mutated_weights,
    "network": mutated_network,
    "checkpoint": mutated_checkpoint,
    "tflite": mutated_lite,
    "onnx": mutated_onnx,
}


def mutant(kind: str, number: int) -> Mutant:
    """The same whenever and wherever it is made."""
    return KINDS[kind](Random(f"{kind} {number}"))
