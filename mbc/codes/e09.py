"""E09xx: faults of mbc itself."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0901": Code(
        title="this is a bug in mbc",
        cause="Something happened that mbc's authors did not foresee. It is not your mistake, "
        "though another way of writing the network may get around it.",
        example="(none is known)",
        cure="Report it with the file that the message names and your network; please look "
        "through that file first: it holds paths of your machine.",
    ),
    "E0902": Code(
        title="not enough memory",
        cause="The network, or what is computed of it while compiling, does not fit into the "
        "memory of this machine. Most is needed by the reference, an evaluation with plain numpy "
        "that holds a few of the network's largest tensors at a time, and by `--check-passes`.",
        example="ulimit -v 400000; mbc compile mobilenet_v1.py",
        cure="Leave the reference out (`--no-check`) if the message names it; otherwise compile a "
        "smaller network (alpha, resolution, batch), or on a larger machine.",
    ),
    "E0910": Code(
        title="compiled code does not conform to its target",
        cause="What mbc compiled or linked was read back, and does not fit the target: an "
        "instruction that the CPU lacks, a register that the system reserves, another float ABI, "
        "a symbol that nobody defines, text relocations, pages that are too small. Nothing was "
        "written.",
        example="(none is known)",
        cure="It is a bug in mbc; please report it with the command that the message shows and "
        "your network. `--mcpu` with another CPU, or a plainer target such as arm64, may get "
        "around it.",
    ),
}
