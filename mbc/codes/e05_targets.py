"""E050x: targets, CPU names and features."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0501": Code(
        title="unknown target",
        cause="`--target` names a platform that mbc has no entry for.",
        example="mbc compile mobilenet_v1.py --target amr64",
        cure="`mbc targets` lists the targets and their aliases.",
    ),
    "E0502": Code(
        title="unknown CPU",
        cause="`--mcpu` takes the names that LLVM gives to CPUs. LLVM itself only warns about a "
        "name it does not know and then compiles for a generic CPU, so mbc checks it first.",
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
        cause="The target `native` means the machine on which mbc runs. On x86-64 the kernels "
        "need AVX2 and FMA (x86-64-v3, every CPU since Haswell and Zen); on arm64 NEON, which "
        "every such CPU has. This machine offers neither.",
        example="mbc compile mobilenet_v1.py --target native   (on a CPU of 2010)",
        cure="Compile for another target, such as `--target arm64`, and run it there. "
        "`mbc run --backend oracle` works on any machine.",
    ),
    "E0505": Code(
        title="a feature that the kernels need is switched off",
        cause="`--mattr` removes a part of the instruction set that every kernel of this target "
        "is written for (avx2 and fma on x86_64, neon on arm64).",
        example="mbc compile mobilenet_v1.py --target x86_64 --mattr=-fma",
        cure="Leave that feature on.",
    ),
}
