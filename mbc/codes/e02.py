"""E020x: operands and attributes that do not fit an op, wherever the graph comes from."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0201": Code(
        title="an op does not fit its operands",
        cause="An attribute or operand is of the wrong rank, size or sign for the op; the message "
        "says which.",
        example="nn.dense(nn.conv(x, 8, 3), 10)",
        cure="A dense layer takes [batch, channels]: put nn.global_avg_pool before it. For other "
        "ops, follow the message.",
    ),
    "E0202": Code(
        title="shapes do not agree",
        cause="Arithmetic needs equal shapes, or one operand that is [c], [n,c], [n,1,1,c], "
        "[n,h,w,1] or [1] beside the other's [n,h,w,c]; a concat needs equal shapes but for its "
        "axis; the sizes of a split must add up to the extent of its axis, a slice lies within "
        "its axis, blocks of pixels divide height and width, a pad has two numbers for each "
        "axis, a reshape must keep the number of elements, and a transpose must name each axis "
        "once.",
        example="nn.add(x, nn.conv(x, 8, 3, stride=2))",
        cure="Print x.shape in the network's function to see what each layer returns.",
    ),
    "E0203": Code(
        title="a weight does not match its input",
        cause="The filter has another number of input channels than what it is applied to.",
        example="%1 = conv2d(%x, @w) with %x: f32[1,8,8,48] and @w: f32[1,1,32,64]",
        cure="Filters are HWIO with I = input channels / groups; dense weights are IO.",
    ),
    "E0204": Code(
        title="groups do not divide the channels",
        cause="A grouped convolution needs input and output channels, a channel shuffle its "
        "channels, divisible by the number of groups.",
        example="nn.pointwise(x, 100, groups=3)",
        cure="Choose other channels or groups.",
    ),
    "E0205": Code(
        title="the result would be empty",
        cause="The window of a convolution or pool is larger than its padded input.",
        example="nn.max_pool(x, 7)  # x is 4x4",
        cure="Use a higher resolution, more padding or a smaller window.",
    ),
    "E0206": Code(
        title="a tensor or a network is too large",
        cause="A tensor has more than 8 axes, 2^29 elements or, unless it is a weight, 2^17 "
        "channels; a kernel, stride, dilation or padding is more than 2^20; or the weights are "
        "more than 2^28 in all. Networks for phones and boards are far below, so it is a mistake "
        "in a size.",
        example="nn.pointwise(x, 10**7)",
        cure="Correct the size at the line shown.",
    ),
    "E0207": Code(
        title="element types do not fit an op",
        cause="Operands of an op are floating-point numbers of one element type, or quantised: "
        "weights are s8, biases s32, multipliers f32, and `to` says the element of the result. "
        "Ops that only move data and max_pool take any element type.",
        example="%0 = add(%a, %b) : q8(0.5,0)[1,4,4,8]   // of q8 operands, without to=q8(0.5,0)",
        cure="Write what the message names; docs/ir.md has the arithmetic of quantised ops.",
    ),
}
