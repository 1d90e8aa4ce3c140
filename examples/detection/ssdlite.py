"""SSDLite on MobileNetV2: raw boxes and scores of six maps (arXiv 1801.04381, section 6.2).

Maps, widths and anchors are those of github.com/tensorflow/models, object_detection,
ssdlite_mobilenet_v2_coco. `detect.py` makes boxes of the outputs.
"""

from typing import Literal

from mbc.frontends.dsl import Net, Tensor, network

# Expansion, output channels, repeats, stride of the first repeat (table 2).
STAGES = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]
EXPANDED = 13  # the bottleneck whose expansion is the first map, with stride 16
EXTRAS = [512, 256, 256, 128]  # channels of the maps beyond the backbone
ANCHORS = [3, 6, 6, 6, 6, 6]  # of each cell


def conv_bn(nn: Net, x: Tensor, channels: int, name: str) -> Tensor:
    """1x1 convolution, batch norm, activation."""
    return nn.activate(nn.batch_norm(nn.pointwise(x, channels, name=name)))


def depthwise_bn(nn: Net, x: Tensor, stride: int, name: str = "dw") -> Tensor:
    """3x3 depthwise convolution, batch norm, activation."""
    return nn.activate(nn.batch_norm(nn.depthwise(x, 3, stride=stride, name=name)))


def inverted_residual(
    nn: Net, x: Tensor, expansion: int, channels: int, stride: int
) -> tuple[Tensor, Tensor]:
    """Return the expansion and the output (table 1)."""
    expanded = conv_bn(nn, x, expansion * x.channels, "expand") if expansion != 1 else x
    y = depthwise_bn(nn, expanded, stride)
    y = nn.batch_norm(nn.pointwise(y, channels, name="project"))
    return expanded, nn.add(x, y) if stride == 1 and x.channels == channels else y


def backbone(nn: Net, x: Tensor) -> list[Tensor]:
    """Return the maps with strides 16 and 32."""
    with nn.scope("stem"):
        x = nn.activate(nn.batch_norm(nn.conv(x, 32, 3, stride=2)))
    block, expansions = 0, []
    for expansion, channels, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            with nn.scope(f"blocks.{block}"):
                stride = first_stride if repeat == 0 else 1
                expanded, x = inverted_residual(nn, x, expansion, channels, stride)
            expansions.append(expanded)
            block += 1
    with nn.scope("last"):
        return [expansions[EXPANDED], conv_bn(nn, x, 1280, "pw")]


def extra(nn: Net, x: Tensor, channels: int) -> Tensor:
    """Halve the map: 1x1, 3x3 depthwise with stride 2, 1x1."""
    x = conv_bn(nn, x, channels // 2, "reduce")
    return conv_bn(nn, depthwise_bn(nn, x, 2), channels, "expand")


def predict(nn: Net, x: Tensor, channels: int, name: str) -> Tensor:
    """SSDLite's predictor: 3x3 depthwise, 1x1 with bias."""
    with nn.scope(name):
        return nn.pointwise(depthwise_bn(nn, x, 1), channels, bias=True)


@network
def ssdlite(
    nn: Net,
    *,
    resolution: int = 320,
    classes: int = 91,
    padding: Literal["same", "half"] = "same",
    act: Literal["relu6", "relu"] = "relu6",
    bn_epsilon: float = 1e-3,
) -> dict[str, Tensor]:
    """`classes` counts the background. Each map has outputs of its own, f32[n,h,w,anchors*4] and
    [n,h,w,anchors*classes]: joining them would only move data."""
    nn.defaults(padding=padding, epsilon=bn_epsilon, act=act)
    maps = backbone(nn, nn.input(resolution, resolution, 3))
    for i, channels in enumerate(EXTRAS):
        with nn.scope(f"extras.{i}"):
            maps.append(extra(nn, maps[-1], channels))
    outputs = {}
    for i, (x, anchors) in enumerate(zip(maps, ANCHORS, strict=True)):
        with nn.scope(f"heads.{i}"):
            outputs[f"boxes{i}"] = predict(nn, x, 4 * anchors, "boxes")
            outputs[f"scores{i}"] = predict(nn, x, classes * anchors, "scores")
    return outputs
