"""A hint names what the user meant: a slip of the hand of the same kind, or the same thing under
its name elsewhere; never what only looks alike."""

from __future__ import annotations

import pytest

from mbc.codes import CODES
from mbc.diag import closest, count_slips, nearest
from mbc.frontends.dsl.elsewhere import argument_hints, layer_hints
from mbc.frontends.dsl.explain import LAYERS
from mbc.passes.pipelines import PASSES
from mbc.targets.architectures.aarch64 import AARCH64, ARM64
from mbc.targets.architectures.arm import ARMV7
from mbc.targets.architectures.x86_64 import X86_64
from mbc.targets.catalogue import target_names


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("rleu", "relu"),
        ("ocnv", "conv"),
        ("pointwse", "pointwise"),
        ("depthwize", "depthwise"),
        ("batchnorm", "batch_norm"),
        ("BatchNorm", "batch_norm"),
        ("fold-batchnrom", "fold-batch-norm"),
        ("cortexa72", "cortex-a72"),
        ("cortx-a72", "cortex-a72"),
        ("jetson-nao", "jetson-nano"),
        ("RPI4", "rpi4"),
        ("amr64", "arm64"),
        ("conv.bn.gama", "conv.bn.gamma"),
        ("--tarket", "--target"),
        ("ad", "add"),
        ("tyni.py", "tiny.py"),
    ],
)
def test_slips_of_the_hand(word: str, meant: str) -> None:
    others = ("relu6", "cortex-a73", "rpi5", "armv7", "--threads", "conv2.bn.gamma", "max_pool")
    assert closest(word, (*others, meant)) == meant


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("rpi1", "rpi5"),
        ("armv6", "armv7"),
        ("cortex-a54", "cortex-a53"),
        ("conv2.weight", "conv3.weight"),
        ("conv.weight", "conv2.weight"),
        ("aarch64_be", "aarch64"),
        ("armv7m", "armv7"),
        ("arm64e", "arm64"),
        ("sse4", "sse4a"),
        ("sm_78", "sm_87"),
        ("prelu", "relu"),
        ("elu", "relu"),
        ("conv_transpose", "transpose"),
        ("pad", "add"),
        ("and", "add"),
        ("resize", "reshape"),
        ("layer_norm", "batch_norm"),
        ("min_pool", "max_pool"),
        ("activation", "dilation"),
        ("dw", "pw"),
        ("k", "c"),
        ("bn.num_batches_tracked", "bn.beta"),
        ("bn.running_mean", "bn.mean"),
    ],
)
def test_other_things(word: str, other: str) -> None:
    assert count_slips(word, other) is None
    assert nearest(word, [other]) == ()


def test_a_hint_may_say_which_word_it_is_for() -> None:
    assert nearest("bn.gama", ["bn.gamma"], named=True) == ("'bn.gama': did you mean 'bn.gamma'?",)


def test_the_nearest_of_several() -> None:
    assert closest("conv_shufle", ["conv_shuffled", "conv_shuffle"]) == "conv_shuffle"


# What PyTorch, Keras and ONNX have; mbc has not, or under the same name.
FOREIGN = """
prelu selu celu rrelu glu mish softplus softsign softmin log_softmax hardmax
conv1d conv3d Conv3d layer_norm group_norm instance_norm lrn rms_norm
normalize resize depth_to_space space_to_depth sub mul div
matmul bmm einsum max min abs sqrt exp log pow min_pool lp_pool
max_pool1d avg_pool3d slice gather embedding lstm gru rnn
attention squeeze unsqueeze expand tile stack where constant reduce_min argmax topk unfold fold
fft roll flip sort dot cross norm
"""


@pytest.mark.parametrize("name", sorted({*FOREIGN.split()} - {*LAYERS}))
def test_no_layer_is_hinted_at_that_computes_something_else(name: str) -> None:
    assert layer_hints(name, LAYERS) == ()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Conv2d", "nn.conv(x, channels, kernel)"),
        ("Conv2D", "nn.conv(x, channels, kernel)"),
        ("Linear", "nn.dense(x, channels)"),
        ("BatchNorm2d", "nn.batch_norm(x)"),
        ("BatchNormalization", "nn.batch_norm(x)"),
        ("concatenate", "nn.concat(a, b)"),
        ("MaxPool2d", "nn.max_pool(x, kernel)"),
        ("AvgPool2d", "nn.avg_pool(x, kernel, count_pad=True)"),
        ("GlobalAveragePooling2D", "nn.global_avg_pool(x)"),
        ("DepthwiseConv2D", "nn.depthwise(x, kernel)"),
        ("permute", "nn.transpose(x, perm)"),
        ("PWConv", "nn.pointwise(x, channels)"),
        ("SeparableConv2D", "nn.pointwise(nn.depthwise(x, kernel), channels)"),
        ("AveragePool", "nn.avg_pool(x, kernel)"),
        ("AdaptiveAvgPool2d", "nn.global_avg_pool(x), where its result is 1x1"),
        ("Flatten", "nn.reshape(x, (x.shape[0], -1)), in the order of h, w, c"),
        ("chunk", "nn.split(x, parts=2)"),
        ("ShuffleChannel", "nn.channel_shuffle(x, groups)"),
        ("PixelShuffle", 'nn.depth_to_space(x, block, mode="crd")'),
        ("narrow", "nn.slice(x, axis, start, stop)"),
        ("mean", "nn.reduce_mean(x, axes)"),
        ("amax", "nn.reduce_max(x, axes)"),
        ("sum", "nn.reduce_sum(x, axes)"),
        ("GlobalMaxPooling2D", "nn.global_max_pool(x)"),
        ("AdaptiveMaxPool2d", "nn.global_max_pool(x), where its result is 1x1"),
        ("swish", "nn.silu(x)"),
        ("hardtanh", "nn.clip(x, -1, 1)"),
        ("clamp", "nn.clip(x, lo, hi)"),
        ("ConvTranspose2d", "nn.transposed_conv(x, channels, kernel)"),
        ("deconv", "nn.transposed_conv(x, channels, kernel)"),
        ("LayerNormalization", "nn.layer_norm(x)"),
        ("interpolate", 'nn.resize(x, (height, width), mode="nearest")'),
        ("Upsample", 'nn.resize(x, (height, width), mode="nearest")'),
        (
            "UpsamplingBilinear2d",
            'nn.resize(x, (height, width), coordinates="align_corners")',
        ),
    ],
)
def test_the_same_layer_elsewhere(name: str, hint: str) -> None:
    assert layer_hints(name, LAYERS) == (f"write {hint}",)
    assert hint.split("(")[0].removeprefix("nn.") in LAYERS


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Dropout", "leave it out"),
        ("ZeroPad2d", "padding=(top, bottom, left, right)"),
        ("Activation", "layers of their own"),
        ("Sequential", "a network is a function"),
    ],
)
def test_what_is_no_layer_here(name: str, advice: str) -> None:
    (hint,) = layer_hints(name, LAYERS)
    assert advice in hint


@pytest.mark.parametrize("near", ["rrelu", "softmin"])
def test_what_is_near_in_letters_alone(near: str) -> None:
    assert layer_hints(near, ["relu", "relu6", "softmax"]) == ()


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("kernel_size", "kernel"),
        ("units", "channels"),
        ("pads", "padding=(top, bottom, left, right)"),
        ("dilation_rate", "dilation"),
        ("use_bias", "bias"),
        ("num_groups", "groups"),
        ("eps", "epsilon"),
        ("count_include_pad", "count_pad"),
        ("axes", "perm"),
        ("chunks", "parts"),
        ("dim", "axis"),
        ("block_size", "block"),
        ("end", "stop"),
    ],
)
def test_the_same_argument_elsewhere(name: str, ours: str) -> None:
    takes = ["x", ours.partition("=")[0]]
    assert argument_hints("conv", name, takes) == (f"it is called {ours} here",)


@pytest.mark.parametrize(
    ("layer", "name", "advice"),
    [
        ("conv", "activation", "layers of their own"),
        ("conv", "in_channels", "it is taken from x"),
        ("conv", "data_format", "tensors are [n,h,w,c]"),
        ("batch_norm", "momentum", "it is for training"),
        *((layer, "dim", "always the channels") for layer in ("batch_norm", "layer_norm")),
        ("layer_norm", "axis", "always the channels"),
    ],
)
def test_arguments_that_are_left_out(layer: str, name: str, advice: str) -> None:
    (hint,) = argument_hints(layer, name, ["x"])
    assert advice in hint


def test_arguments_elsewhere_are_named_only_where_the_layer_takes_ours() -> None:
    assert argument_hints("conv", "filters", ["x", "channels"]) == ("it is called channels here",)
    assert argument_hints("relu", "filters", ["x"]) == ()
    assert argument_hints("conv", "axis", ["x"]) == ()
    assert argument_hints("batch_norm", "axis", ["x"]) != ()


@pytest.mark.parametrize(
    "names",
    [
        LAYERS,
        target_names(),
        ARM64.cpus,
        X86_64.cpus,
        ARMV7.cpus,
        AARCH64.features,
        X86_64.architecture.features,
        tuple(CODES),
        tuple(p.name for p in PASSES),
    ],
)
def test_a_known_name_is_its_own_nearest(names: tuple[str, ...]) -> None:
    assert all(count_slips(name, name) == 0 for name in names)


def test_every_method_of_a_network_is_known() -> None:
    assert {"activate", "defaults", "input", "conv", "add", "concat"} <= {*LAYERS}
