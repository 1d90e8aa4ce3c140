"""mbc: a compiler that makes small CNNs run fast on small boards.

`net = mbc.compile("mobilenet_v1.py", params={"alpha": 0.5}); y = net(x)`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mbc.driver.accounts import Account
    from mbc.driver.imported import Imported
    from mbc.driver.net import CompiledNet
    from mbc.driver.request import BackendName
    from mbc.frontends.options import Layout

__version__ = "0.1.0"


def compile(
    file: str | Path | Imported,
    *,
    params: Mapping[str, object] | None = None,
    batch: int | None = None,
    network: str | None = None,
    weights: str | Path | None = None,
    weights_from: str | None = None,
    seed: int | None = None,
    quantize: str | Path | None = None,
    input_dtype: str | None = None,
    normalize: str | None = None,
    level: int | None = None,
    optimize: str | None = None,
    fuse: str | None = None,
    strassen: bool = True,
    passes: str | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    input_layout: Layout = "nhwc",
    external_data: str | Path | None = None,
    floats: bool = False,
    backend: BackendName = "llvm",
) -> CompiledNet:
    """Compile a network for this machine; returns it as a callable. `file` is one (.py, which is
    run, or .mbc), a model (.onnx, .tflite, .pt2), or what `from_torch` returns.

    The rest are the options of `mbc run`: `params` are what `-D` sets, `weights` is a .safetensors,
    .npz or .pth file (without it they are drawn from `seed`), `weights_from` the library that names
    it ("torchvision"), `quantize` the file of `mbc quantize` by which it computes on codes. With
    `input_dtype="u8"` it takes arrays of uint8, and makes of them what `normalize` says
    ("imagenet"). `level` is that of `-O`, `floats=True` is `--float`. `backend="tvm"` has TVM run
    the kernels, "oracle" computes with plain numpy. Several threads may call the network at once.
    Raises `mbc.diag.MbcError` for what `mbc run` would refuse."""
    from mbc.driver.inprocess import compile_net  # kept from those who want the version alone
    from mbc.driver.request import Request
    from mbc.frontends.options import ModelOptions

    data = None if external_data is None else Path(external_data)
    start = Request(Path(file)) if isinstance(file, str | Path) else file.request
    request = replace(
        start,
        params=params or {},
        batch=batch,
        network=network,
        weights=None if weights is None else Path(weights),
        weights_from=weights_from,
        seed=seed,
        quantize=None if quantize is None else Path(quantize),
        input_dtype=input_dtype,
        normalize=normalize,
        level=level,
        optimize=optimize,
        fuse=fuse,
        strassen=strassen,
        passes=passes,
        model=ModelOptions(shapes or {}, (*inputs,), (*outputs,), input_layout, data, floats),
    )
    return compile_net(request, backend)


def quantize(
    file: str | Path | Imported,
    output: str | Path,
    *,
    images: str | Path | None = None,
    inputs: str | Path | None = None,
    random: bool = False,
    samples: int | None = None,
    method: str = "minmax",
    bias_correction: bool = False,
    keep_float: Sequence[str] = (),
    weight_bits: int = 8,
    preprocess: str = "plain",
    params: Mapping[str, object] | None = None,
    network: str | None = None,
    weights: str | Path | None = None,
    weights_from: str | None = None,
    seed: int | None = None,
) -> Account:
    """Measure the ranges of a network on samples, and write them to a file for
    `compile(…, quantize=output)`; returns what computing on codes costs.

    The samples are photos of the folder `images`, prepared as `preprocess` says, or arrays of the
    .npz file `inputs`, or with `random=True` numbers that mean nothing. All else is what `mbc
    quantize` and `compile` call so. Raises `mbc.diag.MbcError` for what they refuse.
    """
    from mbc.driver.quantise import Wanted, write_measured  # kept from who wants the version alone
    from mbc.driver.request import Request

    start = Request(Path(file)) if isinstance(file, str | Path) else file.request
    request = replace(
        start,
        params=params or {},
        network=network,
        weights=None if weights is None else Path(weights),
        weights_from=weights_from,
        seed=seed,
    )
    wanted = Wanted(
        images=None if images is None else Path(images),
        inputs=None if inputs is None else Path(inputs),
        random=random,
        samples=samples,
        method=method,
        bias_correction=bias_correction,
        keep_float=(*keep_float,),
        weight_bits=weight_bits,
    )
    return write_measured(request, wanted, preprocess, Path(output))


def from_torch(
    module: Any,
    example_inputs: Sequence[Any] = (),
    *,
    kwargs: Mapping[str, Any] | None = None,
    name: str = "model",
    input_layout: Layout = "nhwc",
) -> Imported:
    """Import a module of PyTorch by torch.export, for the shapes of the example inputs.

    `module` is in evaluation mode (`model.eval()`), or a program that torch.export has made of it,
    which needs no examples. `kwargs` are inputs by keyword. Images are NHWC in the network, and
    so are its inputs unless `input_layout="nchw"`. The result is for `compile`, or is saved as IR
    text: `mbc.from_torch(model, (x,)).save("net.mbc")`. Needs the extra `torch`. Raises
    `mbc.diag.MbcError` with all that is not supported.
    """
    from mbc.driver.imported import from_torch as imported

    return imported(module, example_inputs, kwargs or {}, name, input_layout)
