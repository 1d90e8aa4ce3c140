"""E055x: networks on 8-bit codes."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0551": Code(
        title="a value has no range",
        cause="A network is quantised by the ranges of its values, which are found by their stable "
        "names. One that is to be stored as codes has none: the ranges were measured of another "
        "network, or of this one with other layers in float.",
        example="mbc compile mobilenet_v2.py --quantize mobilenet_v1.q",
        cure="Measure the ranges of this network: `mbc quantize`.",
    ),
    "E0552": Code(
        title="sums of a layer do not fit 32 bits",
        cause="A sum of products of codes, times the multiplier of its channel, may be 2^31 steps "
        "of the result's range or more, and no CPU converts that to an integer. The range of the "
        "layer is so narrow beside what it adds up that the samples can hardly have been typical.",
        example="a layer whose results were all about 1e-9 in calibration",
        cure="Calibrate on other samples, or leave the layer in float: `--keep-float NAME`.",
    ),
    "E0553": Code(
        title="no ranges to quantise by",
        cause="The pass `quantise` is asked for, and nothing says how large values are.",
        example="mbc opt net.mbc -p quantise",
        cure="Give the file that `mbc quantize` wrote: `--quantize net.q`.",
    ),
    "E0554": Code(
        title="samples that give no ranges",
        cause="The ranges of a network's values are measured on samples. There were none, or a "
        "value of the float network was NaN or infinite on one of them.",
        example="mbc quantize net.py --weights w.safetensors --images empty/ -o net.q",
        cure="Give samples like those that the network will see, with its preprocessing.",
    ),
    "E0555": Code(
        title="no file of mbc quantize",
        cause="`--quantize` takes the text that `mbc quantize` wrote. This file is another, is "
        "damaged, or an edit has broken it.",
        example="mbc compile net.py --quantize weights.safetensors",
        cure="Write it anew by `mbc quantize`; the message says what is wrong.",
    ),
    "E0556": Code(
        title="ranges of another network",
        cause="The file holds digests of the layers and of the weights that it was measured with, "
        "and these are not those of the network. Only the resolution may differ.",
        example="mbc compile mobilenet_v2.py --quantize mobilenet_v1.q",
        cure="Give the weights that were measured, or measure again.",
    ),
    "E0557": Code(
        title="nothing to measure",
        cause="`mbc quantize` needs samples of one kind, and layers to keep in float that there "
        "are. It does not make up samples unless `--random` says so: ranges of made-up numbers "
        "cost accuracy, and nobody sees it.",
        example="mbc quantize net.py --weights w.safetensors -o net.q",
        cure="Add `--images DIR` or `--inputs FILE.npz`, with the preprocessing of the network.",
    ),
    "E0558": Code(
        title="a network that is on codes already",
        cause="The network is quantised as it is written, or the model was before it was "
        "imported, so its scales are known.",
        example="mbc quantize quantised.mbc --random -o net.q",
        cure="Compile it as it is, without `--quantize`. `--float` takes a quantised model in "
        "float32.",
    ),
}
