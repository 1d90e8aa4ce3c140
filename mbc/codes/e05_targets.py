"""E050x: targets, CPU names and features."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0501": Code(
        title="unknown target",
        cause="`--target` names a platform that mbc has no entry for, or one whose CPU or system "
        "it does not support; the message then says why.",
        example="mbc compile mobilenet_v1.py --target amr64",
        cure="`mbc targets` lists the targets and their aliases.",
    ),
    "E0502": Code(
        title="unknown CPU",
        cause="`--mcpu` takes the names that LLVM gives to CPUs. LLVM itself only warns about a "
        "name it does not know and then compiles for a generic CPU, so mbc checks it first. Each "
        "target takes the CPUs that its kernels run on: nehalem is one of x86_64-v2. "
        "`mbc verify --cpu` also takes boards and the names that qemu has.",
        example="mbc compile mobilenet_v1.py --target arm64 --mcpu cortex-a54",
        cure="Use a name of the target's architecture, such as cortex-a53, cortex-a72, "
        "neoverse-n1 (arm64) or haswell, znver3 (x86_64).",
    ),
    "E0503": Code(
        title="unknown CPU feature",
        cause="`--mattr` takes LLVM's feature names, separated by commas, each with its sign: "
        "`+name` switches a feature on, `-name` off. A misspelt one would be ignored silently.",
        example="mbc compile mobilenet_v1.py --target arm64 --mattr=+dotprd",
        cure="Correct the name, and give each its sign: `--mattr=+dotprod,+fullfp16`.",
    ),
    "E0504": Code(
        title="this machine cannot be a target",
        cause="The target `native` means the machine on which mbc runs. Its CPU lacks the vector "
        "unit that the kernels for its architecture need, such as SSE4.1 on x86-64 (every CPU "
        "since 2009 has it) or NEON on 32-bit Arm, or mbc has no kernels for its architecture.",
        example="mbc compile mobilenet_v1.py --target native   (on LoongArch)",
        cure="Compile for another target, such as `--target arm64`, and run it there. "
        "`mbc run --backend oracle` works on any machine.",
    ),
    "E0505": Code(
        title="a feature that the kernels need is switched off",
        cause="`--mattr` removes a part of the instruction set that every kernel of this target "
        "is written for (avx2 and fma on x86_64, sse4.1 on x86_64-v2, neon on arm64, neon and vfp4 "
        "on armv7).",
        example="mbc compile mobilenet_v1.py --target x86_64 --mattr=-fma",
        cure="Leave that feature on.",
    ),
    "E0506": Code(
        title="a target that TVM cannot build",
        cause="TVM as pip installs it has no code generator for Vulkan, fails on Adreno's "
        "textures, and pip has no runtime of TVM for Android or macOS that modules could be linked "
        "for from here.",
        example="mbc compile mobilenet_v1.py --target vulkan",
        cure="The message says what to use in its place.",
    ),
    "E0507": Code(
        title="unknown architecture of GPUs",
        cause="`--arch` takes NVIDIA's names for `--target cuda`, and the makers that kernels are "
        "tuned for with `--target opencl`.",
        example="mbc compile mobilenet_v1.py --target cuda --arch ampere",
        cure="Take a name that the message lists, such as sm_87.",
    ),
    "E0509": Code(
        title="no kernels for an element type",
        cause="IR text may hold tensors of f32, f16, s8, u8, s32 and q8(scale,zero), which the "
        "oracle evaluates. LLVM's kernels compute with f32, and some ops with q8; those of GPUs "
        "and TVM's ops support f32 only; the export to ONNX takes f32 and q8. All move the indices "
        "that argmax makes, which are s32.",
        example="%0 = quantize(%x) {to=q8(0.05,128)} : q8(0.05,128)[1,4,4,8] (--target opencl)",
        cure="`mbc run --backend oracle` evaluates the network, `mbc opt` runs passes on it. "
        "For a build, use f32 tensors.",
    ),
}
