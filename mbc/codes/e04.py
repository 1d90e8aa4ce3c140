"""E040x: weights."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0401": Code(
        title="an unknown kind of weight file",
        cause="The file's name ends in none of .safetensors, .npz, and the names of PyTorch's "
        "state dicts: .pth, .pt, .bin, .ckpt, .tar.",
        example="mbc compile net.py --weights net.h5",
        cure="Convert it with safetensors.numpy.save_file or numpy.savez.",
    ),
    "E0402": Code(
        title="a weight file that asks for code",
        cause="A file of PyTorch is a pickle, which names classes and functions to call. mbc runs "
        "nothing: it knows the names that a state dict consists of, and the message lists the "
        "others. Whole modules, TorchScript programs, numpy's scalars and the options of a "
        "training script are such names. In .safetensors and .npz files no pickle is read at all.",
        example="mbc compile net.py --weights whole_model.pth",
        cure="Where you trust the file, load it with PyTorch and save its tensors alone: "
        "torch.save(model.state_dict(), 'net.pth'), or safetensors.torch.save_file.",
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
        cure="Rename the tensors (mbc weights map --rules), or name the network's layers as the "
        "file does.",
    ),
    "E0405": Code(
        title="weights that the network does not have",
        cause="The file holds tensors whose names no parameter of the network has.",
        example="mbc compile mobilenet_v1.py --weights with_optimizer_state.safetensors",
        cure="Check that the file belongs to this network; mbc weights map --rules leaves tensors "
        "out.",
    ),
    "E0406": Code(
        title="weights of another shape",
        cause="A tensor has other extents than the parameter. The network may have been traced "
        "with other -D, or the axes are in another order: filters are HWIO, dense weights IO. The "
        "state dicts of PyTorch may have theirs, OIHW and OI.",
        example="mbc compile mobilenet_v1.py -D alpha=0.5 --weights alpha_1.safetensors",
        cure="Give the -D that the weights were trained with; mbc weights map brings "
        "PyTorch's filters and dense weights into our order.",
    ),
    "E0407": Code(
        title="weights of an unreadable type",
        cause="Tensors must be float32. float16 and bfloat16 are widened and float64 rounded to "
        "it; integers and other types are not converted. The integer constants of quantised layers "
        "in IR text must be of exactly their type.",
        example="a tensor of int64 in net.safetensors",
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
    "E0411": Code(
        title="no state dict, or several",
        cause="A file of PyTorch must hold tensors by name, as they are or under one key such as "
        "state_dict or model. Training scripts may keep several models in one file, such as an "
        "average beside the last state.",
        example="mbc weights show checkpoint.pth, which has state_dict and state_dict_ema",
        cure="Choose one with --key of mbc weights show and mbc weights map.",
    ),
    "E0412": Code(
        title="a weight file beyond limits",
        cause="The file is made so that reading it would take far more memory or time than weights "
        "do: a zip that unpacks to many times its size, a pickle of many megabytes.",
        example="mbc weights show bomb.pth",
        cure="Save the tensors alone, uncompressed; or do not trust the file.",
    ),
    "E0413": Code(
        title="weights whose order of axes is not certain",
        cause="The shape of a tensor fits the parameter both in our order of axes (HWIO, IO) and "
        "in PyTorch's (OIHW, OI), as [3,3,3,3] or [10,10] do, or it belongs to a dense layer after "
        "a flattened map, whose rows are (h,w,c) here and (c,h,w) there. mbc does not guess.",
        example="mbc compile net.py --weights net.pth, with a dense layer from 10 to 10",
        cure="Say the order: mbc weights map net.pth net.py --layout pytorch -o net.safetensors.",
    ),
    "E0414": Code(
        title="renaming rules that cannot be read",
        cause="Each line of a file of rules is OLD -> NEW, OLD -> NEW if OTHER, count OLD -> NEW, "
        "regex OLD -> NEW, drop OLD, or a comment. OLD may have {i} for a number, which NEW may "
        "use as {i}, {i+1} or {i-1}.",
        example="mbc weights map net.pth net.py --rules rules.txt, with a line 'a = b'",
        cure="Correct the line that the message shows; docs/weights.md has examples.",
    ),
    "E0415": Code(
        title="several tensors for one parameter",
        cause="After renaming, two tensors of the file have the name of one parameter.",
        example="mbc weights map net.pth net.py --rules rules.txt, where two rules give one name",
        cure="Change the rules, or drop the tensor that is not wanted.",
    ),
    "E0416": Code(
        title="a library whose names are not known for this network",
        cause="--weights-from knows the names and settings of a library for networks of examples/, "
        "by the name of the network's function. docs/weights.md lists them.",
        example="mbc compile mobilenet_v1.py --weights net.pth --weights-from torchvision, which "
        "has no MobileNetV1",
        cure="Write the rules that rename the tensors, for mbc weights map --rules.",
    ),
    "E0417": Code(
        title="no weights for a point of a sweep",
        cause="`--weights-dir` holds a file for each point. Its name is that of the network's file "
        "and then parameters: net-alpha=0.5-resolution=160.safetensors. Parameters that do not "
        "change the weights are left out. Of the files that fit, the one with most parameters is "
        "taken; there is none, or there are two.",
        example="mbc sweep net.py -D alpha=0.5,1 --weights-dir trained, with one file in it",
        cure="Rename the files; or give --weights FILE if all points have the same weights.",
    ),
}
