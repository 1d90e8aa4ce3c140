"""Names that other frameworks give to the layers and arguments of mbc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mbc.diag import nearest

_OWN_LAYERS = "activations are layers of their own, as in nn.relu(nn.conv(…))"
_FUNCTION = "a network is a function: give each layer what the one before it returned"
_NOTHING = "it does nothing when a network is run: leave it out"
_PADDING = "zeros around the input of a convolution are its padding=(top, bottom, left, right)"

# Keys are in lower case and without underscores.
_LAYERS: Mapping[str, tuple[str, ...]] = {
    "nn.conv(x, channels, kernel)": ("conv2d", "convolution", "convolution2d"),
    "nn.dense(x, channels)": ("linear", "fc", "fullyconnected", "innerproduct", "gemm"),
    "nn.depthwise(x, kernel)": ("depthwiseconv", "depthwiseconv2d", "dwconv", "convdw"),
    "nn.pointwise(x, channels)": ("pointwiseconv", "pwconv", "conv1x1"),
    "nn.pointwise(nn.depthwise(x, kernel), channels)": ("separableconv", "separableconv2d"),
    "nn.batch_norm(x)": ("batchnorm2d", "batchnormalization", "bn"),
    "nn.transposed_conv(x, channels, kernel)": (
        "convtranspose",
        "convtranspose2d",
        "conv2dtranspose",
        "deconv",
        "deconvolution",
    ),
    "nn.layer_norm(x)": ("layernorm2d", "layernormalization"),
    "nn.concat(a, b)": ("cat", "concatenate"),
    "nn.max_pool(x, kernel)": ("maxpool2d", "maxpooling", "maxpooling2d"),
    "nn.avg_pool(x, kernel)": ("averagepooling", "averagepooling2d", "averagepool"),
    "nn.avg_pool(x, kernel, count_pad=True)": ("avgpool2d",),
    "nn.global_avg_pool(x)": (
        "globalaveragepooling",
        "globalaveragepooling2d",
        "globalaveragepool",
        "globalavgpool2d",
    ),
    "nn.global_avg_pool(x), where its result is 1x1": ("adaptiveavgpool", "adaptiveavgpool2d"),
    'nn.resize(x, (height, width), mode="nearest")': (
        "interpolate",
        "upsample",
        "upsampling2d",
        "upsamplingnearest2d",
    ),
    'nn.resize(x, (height, width), coordinates="align_corners")': ("upsamplingbilinear2d",),
    "nn.global_max_pool(x)": (
        "globalmaxpooling",
        "globalmaxpooling2d",
        "globalmaxpool",
        "globalmaxpool2d",
    ),
    "nn.global_max_pool(x), where its result is 1x1": ("adaptivemaxpool", "adaptivemaxpool2d"),
    "nn.reduce_mean(x, axes)": ("mean",),
    "nn.reduce_max(x, axes)": ("amax",),
    "nn.reduce_sum(x, axes)": ("sum",),
    "nn.reshape(x, (x.shape[0], -1)), in the order of h, w, c": ("flatten",),
    "nn.transpose(x, perm)": ("permute",),
    "nn.split(x, parts=2)": ("chunk",),
    "nn.silu(x)": ("swish",),
    "nn.clip(x, lo, hi)": ("clamp", "clipbyvalue"),
    "nn.clip(x, -1, 1)": ("hardtanh",),
    'nn.depth_to_space(x, block, mode="crd")': ("pixelshuffle",),
    "nn.slice(x, axis, start, stop)": ("narrow", "crop", "cropping2d", "stridedslice"),
    "nn.channel_shuffle(x, groups)": ("shufflechannels", "shufflechannel"),
}

_ADVICE: Mapping[str, tuple[str, ...]] = {
    _NOTHING: ("dropout", "dropout2d", "identity"),
    _PADDING: ("zeropad2d", "zeropadding", "zeropadding2d"),
    _OWN_LAYERS: ("activation", "act"),
    _FUNCTION: ("sequential", "module", "modulelist", "model"),
}

_OTHERS = frozenset({"glu", "rrelu", "softmin", "sort"})
"""Similar to a name here in spelling alone."""

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "kernel": ("kernel_size", "ksize", "kernel_shape", "pool_size"),
    "channels": ("out_channels", "filters", "num_output", "units", "out_features"),
    "padding=(top, bottom, left, right)": ("pads", "pad"),
    "dilation": ("dilation_rate",),
    "bias": ("use_bias", "bias_term"),
    "groups": ("num_groups",),
    "epsilon": ("eps",),
    "count_pad": ("count_include_pad",),
    "perm": ("axes", "dims"),
    "axes": ("axis", "dim"),
    "keep": ("keepdim", "keepdims"),
    "parts": ("chunks",),
    "axis": ("dim",),
    "block": ("blocksize", "block_size", "upscale_factor", "downscale_factor"),
    "stop": ("end",),
}

_ARGUMENT_ADVICE: Mapping[str, tuple[str, ...]] = {
    _OWN_LAYERS: ("activation", "activation_fn", "act"),
    "it is taken from x: leave it out": (
        "in_channels",
        "in_features",
        "num_features",
        "input_shape",
    ),
    "tensors are [n,h,w,c]: leave it out": ("data_format", "layout"),
    "it is for training: leave it out": ("momentum", "track_running_stats", "training"),
}

OF_CHANNELS = ("batch_norm", "layer_norm")


def _inverse(table: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: said for said, names in table.items() for name in names}


_BY_LAYER, _BY_ADVICE = _inverse(_LAYERS), _inverse(_ADVICE)
_BY_ARGUMENT, _BY_ARGUMENT_ADVICE = _inverse(_ARGUMENTS), _inverse(_ARGUMENT_ADVICE)


def layer_hints(name: str, layers: Sequence[str]) -> tuple[str, ...]:
    """Suggest the layer of mbc that computes the same as an unknown one, or a similar name."""
    key = name.lower().replace("_", "")
    if key in _BY_LAYER:
        return (f"write {_BY_LAYER[key]}",)
    if key in _BY_ADVICE:
        return (_BY_ADVICE[key],)
    return () if key in _OTHERS else nearest(name, layers)


def argument_hints(layer: str, name: str, takes: Sequence[str]) -> tuple[str, ...]:
    """Suggest what to write for an argument that a layer does not take."""
    if name in ("axis", "dim") and layer in OF_CHANNELS:
        return ("it is always the channels: leave it out",)
    if name in _BY_ARGUMENT_ADVICE:
        return (_BY_ARGUMENT_ADVICE[name],)
    ours = _BY_ARGUMENT.get(name, "")
    if ours.partition("=")[0] in takes:
        return (f"it is called {ours} here",)
    return nearest(name, takes)
