"""E072x: output folders that are verified."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0720": Code(
        title="a file is not the one that the manifest describes",
        cause="A file of an output folder is missing, or its SHA-256 is another than when the "
        "manifest was written: it was damaged, edited, or belongs to another build.",
        example="mbc verify out/   (after a transfer that lost bytes)",
        cure="Copy the folder again as a whole, or compile again.",
    ),
    "E0721": Code(
        title="an artefact computes something else than its network",
        cause="On seeded inputs the outputs differ from those of the plain evaluation of the "
        "network, which `mbc compile` stored in NET.check.npz, by more than the tolerance of the "
        "manifest; or integers do that rounding does not decide about. The weights or the code "
        "have changed, or the emulator or CPU is at fault.",
        example="mbc verify out/   (after the weights in the executable were edited)",
        cure="Compile again. If a fresh build fails as well, it is a bug in mbc; please report it "
        "with your network.",
    ),
    "E0722": Code(
        title="a program did not run to its end",
        cause="A program that was verified died or reported an error. With SIGILL it holds an "
        "instruction that the CPU lacks: it was compiled for one with more features than the "
        "board has.",
        example="mbc verify out/ --cpu nehalem   (compiled for x86_64, which has AVX2)",
        cure="Compile for the CPU of the board: `--target rpi3`, or `--mcpu`.",
    ),
    "E0723": Code(
        title="no emulator",
        cause="Code for another machine runs here under qemu-user only, and that is not installed.",
        example="mbc verify build/mobilenet_v1-arm64",
        cure="Install it (Debian, Ubuntu: `apt-get install qemu-user-static`), or copy the folder "
        "to a machine of that kind and verify it there.",
    ),
    "E0724": Code(
        title="nothing here can run it",
        cause="Programs for macOS run on a Mac, AVX-512 and AVX-VNNI are unknown to qemu, shared "
        "libraries run on their own kind of machine only; a folder may also hold no code at all.",
        example="mbc verify build/mobilenet_v1-macos-arm64   (on Linux)",
        cure="Verify it on such a machine; compile with `--emit exe` for one that qemu can run.",
    ),
    "E0725": Code(
        title="the weights of another program",
        cause="An executable compiled with `--weights-placement external` maps the file "
        "NET.weights beside it, or the one that `--weights` names. The file has another size, or "
        "ends with another SHA-256, than the weights that it was compiled with.",
        example="./mobilenet_v1 --weights old/mobilenet_v1.weights --input cat.ppm",
        cure="Copy executable and weights together, from one output folder.",
    ),
    "E0726": Code(
        title="a file is for another target than the manifest says",
        cause="The executable or shared library is for another machine, float ABI or system, or "
        "was linked in a way that the target does not allow.",
        example="an x86-64 executable in the folder of an arm64 build",
        cure="Compile again; do not mix files of two output folders.",
    ),
    "E0727": Code(
        title="there is nothing to compare with",
        cause="The folder was compiled with `--no-check`, so it has no NET.check.npz: the "
        "network's outputs for seeded inputs. The hashes of its files and the target of its code "
        "were checked and are right; what it computes was not.",
        example="mbc compile net.py --no-check -o out; mbc verify out",
        cure="Compile without `--no-check`, on a machine with more memory if need be.",
    ),
    "E0728": Code(
        title="the CPU lacks what the program was compiled for",
        cause="An executable asks the CPU before it does anything else, and the CPU lacks a "
        "feature that code for the target may use, or the system does not save the registers that "
        "it needs (AVX in some virtual machines). Libraries do not ask.",
        example="a program for x86_64, which has AVX2, on a CPU of 2010",
        cure="Compile for the target that the message names, or for the CPU: `--mcpu westmere`.",
    ),
    "E0729": Code(
        title="two networks that cannot be compared",
        cause="mbc compare pairs layers by their stable names, and outputs by their order. These "
        "two have no layer of the same name, and different numbers of outputs.",
        example="mbc compare mobilenet_v1.py --with ssdlite.onnx",
        cure="Compare the model that was exported from this network, or IR text of it.",
    ),
}
