"""E080x: models of other formats."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0801": Code(
        title="not a model of the format that its name says",
        cause="The file is empty, cut off, larger than 2 GB, or of another format than its name "
        "says; or it is a .pt2 file that the installed PyTorch does not read.",
        example="mbc compile half_a_download.onnx",
        cure="Fetch or export the model again.",
    ),
    "E0802": Code(
        title="a model that uses what mbc does not support",
        cause="The model has ops, types of inputs, or uses of ops that mbc does not import. All "
        "are listed at once: the op, how many nodes, the first of them, the module that it comes "
        "from, and the Python line where the exporter has kept it.",
        example="mbc compile detector.onnx",
        cure="The message says what to do about each. `mbc ops --onnx`, "
        "`mbc ops --tflite` and `mbc ops --torch` list what is supported. "
        "Post-processing is best left out of the model when it is exported.",
    ),
    "E0803": Code(
        title="a version of a format that mbc does not read",
        cause="The model uses an opset before 6, one that is newer than the installed package "
        "onnx, or an old one that onnx cannot convert; or it has another version of TensorFlow "
        "Lite's schema than 3.",
        example="mbc compile caffe2_model.onnx",
        cure="Export the model with opset_version=18, or install a newer onnx.",
    ),
    "E0804": Code(
        title="a shape that is not static",
        cause="The network is compiled for fixed shapes. The model leaves extents of an input "
        "open, or --shape contradicts the model or names no input.",
        example="mbc compile dynamic_batch.onnx",
        cure="Set the input: `--shape NAME=1x3x224x224`, in the model's own order of axes.",
    ),
    "E0805": Code(
        title="external data that cannot be read",
        cause="Weights are in a file beside the model. That file is missing, too short, not a "
        "regular file, or outside the model's folder, where mbc reads nothing unless "
        "--external-data allows it.",
        example="mbc compile model_without_its_data.onnx",
        cure="Copy model and data into one folder, without links that leave it. If you trust the "
        "model, `--external-data DIR` allows the folder that its data are in: that of the blobs "
        "in Hugging Face's cache.",
    ),
    "E0806": Code(
        title="a malformed model",
        cause="Names are defined twice or nowhere, nodes depend on themselves, or shapes and data "
        "do not fit the ops.",
        example="mbc compile edited_by_hand.onnx",
        cure="Export the model again. `onnx.checker.check_model` may say more.",
    ),
    "E0807": Code(
        title="a model beyond the limits of mbc",
        cause="A tensor has more elements or axes than mbc takes, or folding constants would make "
        "one; or there are too many nodes, functions in functions, inputs, or bytes of constants.",
        example="mbc compile net.onnx --shape x=1x3x100000x100000",
        cure="Use a smaller input.",
    ),
    "E0808": Code(
        title="a part that the model does not have",
        cause="--inputs and --outputs take a part of the model by the names of its values. A name "
        "is not that of an input or a result, no output depends on an input that is named, or the "
        "outputs depend on another input of the model too.",
        example="mbc compile detector.onnx --outputs boxs",
        cure="Take the names from `mbc import`, Netron, or the message. Name a value on each way "
        "from the model's inputs to the outputs.",
    ),
    "E0809": Code(
        title="a module that torch.export does not take",
        cause="`mbc.from_torch` traces a module by torch.export, which raises an error: the "
        "forward method depends on data, on another library, or on inputs other than the examples. "
        "A TorchScript module, or what is no module at all, cannot be traced either.",
        example="mbc.from_torch(torch.jit.load('net.pt'), (x,))",
        cure="`torch.export.export(module, example_inputs)` shows the whole error. Give the module "
        "that was trained, and inputs with which it can be called.",
    ),
    "E0810": Code(
        title="a file of PyTorch that holds code",
        cause="The file is a TorchScript program, a pickled module, or a .pt2 file with compiled "
        "libraries, pickled objects or guards in Python. Loading it would run what it holds.",
        example="mbc compile scripted.pt2",
        cure="Save the network as a program of torch.export: `torch.export.save("
        "torch.export.export(model.eval(), (x,)), 'net.pt2')`. Weights alone are read by "
        "`--weights`.",
    ),
}
