"""VPDPBUSD on machines that lack it: as AVX-512 encodes it, or in plain IR."""

from __future__ import annotations

import re
from dataclasses import replace

from mbc.backends.llvm.lower import LoweredNet
from mbc.driver.platforms import this_host
from mbc.targets.features import features_of
from mbc.targets.target import Target

EXTENSIONS = {"avxvnni", "avx512vnni"}
OTHER_ENCODING = ("+avx512vnni", "+avx512vl")
DECLARED = re.compile(r"(?m)^declare .* @llvm\.x86\.avx512\.vpdpbusd\.(\d+)\(.*$")


def runnable(net: LoweredNet) -> LoweredNet:
    """The same kernels by instructions of this machine."""
    wanted, present = features_of(net.target) & EXTENSIONS, this_host().features
    if wanted and wanted <= present:
        return net
    if wanted and {name[1:] for name in OTHER_ENCODING} <= present:
        return replace(net, target=without_extension(net.target, *OTHER_ENCODING))
    return in_plain_ir(net)


def in_plain_ir(net: LoweredNet) -> LoweredNet:
    """The same kernels, with a function in the place of the instruction."""
    text = DECLARED.sub(lambda found: _defined(int(found[1]) // 32), net.kernel_ir)
    text = text.replace("@llvm.x86.avx512.vpdpbusd.", "@vpdpbusd.")
    return replace(net, kernel_ir=text, target=without_extension(net.target))


def without_extension(target: Target, *more: str) -> Target:
    """The target without VPDPBUSD, and with other features."""
    kept = (word for word in target.features if word[1:] not in EXTENSIONS)
    return replace(target, features=(*kept, *more))


def _defined(lanes: int) -> str:
    """To each of `lanes` sums four products of u8 and s8 are added."""
    sums, codes, products = (
        f"<{n} x {word}>" for n, word in ((lanes, "i32"), (4 * lanes, "i8"), (4 * lanes, "i32"))
    )
    lines = [
        f"define private {sums} @vpdpbusd.{32 * lanes}({sums} %s0, {codes} %a, {codes} %w) {{",
        f"%x = zext {codes} %a to {products}",
        f"%y = sext {codes} %w to {products}",
        f"%p = mul {products} %x, %y",
    ]
    for step in range(4):
        mask = ", ".join(f"i32 {4 * lane + step}" for lane in range(lanes))
        part = f"shufflevector {products} %p, {products} poison, <{lanes} x i32> <{mask}>"
        lines += [f"%p{step} = {part}", f"%s{step + 1} = add {sums} %s{step}, %p{step}"]
    return "\n".join([*lines, f"ret {sums} %s4", "}"])
