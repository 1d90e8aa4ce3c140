"""E040x: weights."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0401": Code(
        title="an unknown kind of weight file",
        cause="The file's name ends in neither .safetensors nor .npz.",
        example="mbc compile net.py --weights net.h5",
        cure="Convert it with safetensors.numpy.save_file or numpy.savez.",
    ),
    "E0402": Code(
        title="a pickle instead of weights",
        cause="A pickle (.pt, .pth, .pkl, or an .npz of Python objects) runs code when it is read, "
        "so mbc does not read it.",
        example="mbc compile net.py --weights net.pth",
        cure="Where you trust the file, load it with PyTorch and write the state dict with "
        "safetensors.torch.save_file.",
    ),
    "E0403": Code(
        title="a damaged weight file",
        cause="The file is cut off, corrupt, or of another format than its name says.",
        example="mbc compile net.py --weights half_a_download.safetensors",
        cure="Fetch or write the file again.",
    ),
    "E0404": Code(
        title="weights are missing",
        cause="The network has parameters that the file does not hold. Weights are found by name.",
        example="mbc compile mobilenet_v2.py --weights mobilenet_v1.safetensors",
        cure="Rename the tensors, or name the network's layers as the file does.",
    ),
    "E0405": Code(
        title="weights that the network does not have",
        cause="The file holds tensors whose names no parameter of the network has.",
        example="mbc compile mobilenet_v1.py --weights with_optimizer_state.safetensors",
        cure="Leave them out of the file, or check that it belongs to this network.",
    ),
    "E0406": Code(
        title="weights of another shape",
        cause="A tensor has other extents than the parameter. The network may have been traced "
        "with other -D, or the axes are in another order: filters are HWIO, dense weights IO.",
        example="mbc compile mobilenet_v1.py -D alpha=0.5 --weights alpha_1.safetensors",
        cure="Give the -D that the weights were trained with; transpose PyTorch's filters by "
        "(2, 3, 1, 0) and its dense weights by (1, 0).",
    ),
    "E0407": Code(
        title="weights of an unreadable type",
        cause="Tensors must be float32. float16 is widened and float64 rounded to it; integers "
        "and bfloat16 are not converted. The integer constants of quantised layers in IR text must "
        "be of exactly their type.",
        example="a tensor of bfloat16 in net.safetensors",
        cure="Convert tensors to float32 before saving, s8 weights to int8, s32 biases to int32.",
    ),
    "E0408": Code(
        title="weights that are not finite",
        cause="A tensor holds NaN or infinity, or a float64 beyond the range of float32. The "
        "message names the first such element.",
        example="weights of a training run that diverged",
        cure="Use an earlier checkpoint.",
    ),
    "E0409": Code(
        title="a negative variance",
        cause="The running variance of a batch norm has values below zero, whose square root "
        "does not exist.",
        example="mean and variance exchanged in net.npz",
        cure="Check that the batch norm's tensors carry the right names.",
    ),
    "E0410": Code(
        title="weights of quantised networks are not drawn",
        cause="Without --weights the constants of a network are drawn from a seed. Those of a "
        "quantised one cannot be: they belong to scales that only a quantiser knows.",
        example="mbc run quantised.mbc --backend oracle --input x.npy",
        cure="Give the data with --weights, or keep the constants.safetensors beside the text.",
    ),
}
