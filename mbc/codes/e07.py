"""E070x: files, inputs and outputs."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0701": Code(
        title="a file cannot be read",
        cause="The file does not exist, is a folder, or may not be read by you.",
        example="mbc compile mobilnet_v1.py",
        cure="Correct the path; `ls -l` shows what is there.",
    ),
    "E0702": Code(
        title="the output folder holds files that mbc did not make",
        cause="`mbc compile` replaces its output folder as a whole. It does so only where the "
        "folder is empty or holds nothing but what an earlier `mbc compile` left (as its "
        "manifest.json lists it).",
        example="mbc compile mobilenet_v1.py -o ~/",
        cure="Name a folder of its own with -o, or move the other files away.",
    ),
    "E0703": Code(
        title="a file cannot be written",
        cause="The folder may not be written to, the disk is full, or a file stands where a "
        "folder should be. Nothing was left half-written.",
        example="mbc compile mobilenet_v1.py -o /proc/out",
        cure="Choose another place with -o, or make room.",
    ),
    "E0704": Code(
        title="a .npy file cannot be read",
        cause="The file is not a NumPy array file, is cut off, has data after its array, or holds "
        "Python objects, which mbc does not execute.",
        example="mbc run mobilenet_v1.py --input notes.npy",
        cure="Write it with `numpy.save(path, array)`, with array of dtype float32.",
    ),
    "E0705": Code(
        title="an image cannot be read",
        cause="The file is not a PNG, JPEG, PPM, BMP, GIF, WebP or TIFF, or it is damaged.",
        example="mbc run mobilenet_v1.py --input cat.txt",
        cure="Use PNG, JPEG or PPM, or give the raw tensor as .npy.",
    ),
    "E0706": Code(
        title="the network takes no image",
        cause="An image can stand for an input of shape [1,h,w,3] only, or in grey for "
        "[1,h,w,1]: one photo. This input has a larger batch or other channels.",
        example="mbc run mobilenet_v1.py --batch 2 --input cat.png",
        cure="Give the raw tensors as .npy files, one `--input` for each input, in order.",
    ),
    "E0707": Code(
        title="the file exists already",
        cause="mbc does not overwrite your files.",
        example="mbc new mobilenet_v1.py   (twice)",
        cure="Name another file with -o, or remove the old one.",
    ),
    "E0708": Code(
        title="an image is too large",
        cause="Decoded or scaled, the image would have more pixels than any photo. A small file "
        "can be made to fill the memory so; a very long and narrow image must be scaled up for "
        "its short side.",
        example="mbc run mobilenet_v1.py --input bomb.png",
        cure="Scale or crop the image first.",
    ),
    "E0709": Code(
        title="labels that do not fit the network",
        cause="The file of `--labels` has another number of lines than the network has classes, "
        "or is not UTF-8 text; or an output has no scores, but integers.",
        example="mbc run mobilenet_v1.py --input cat.png --labels imagenet_1001.txt",
        cure="Give one name a line, the first for class 0, and no other lines.",
    ),
}
