"""E060x: the toolchain that links."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0601": Code(
        title="a tool is not installed",
        cause="Objects are linked by zig (the Python package ziglang), or by the compiler that "
        "`--cc` or the variable MBC_CC names. The one in question is not there.",
        example="mbc compile mobilenet_v1.py --target arm64 --cc aarch64-gcc",
        cure="Correct the name, install the compiler, or drop `--cc` and MBC_CC to use zig.",
    ),
    "E0602": Code(
        title="a tool failed",
        cause="The compiler, linker or archiver ended with an error. The message shows the "
        "command and the end of its output.",
        example='mbc compile mobilenet_v1.py --cc "gcc --no-such-option"',
        cure="If a `--cc` of yours was used, try without it. A full disk shows here too.",
    ),
    "E0603": Code(
        title="the compiler is for another machine",
        cause="The compiler that `--cc` or MBC_CC names makes code for one architecture, and "
        "the target is of another.",
        example="mbc compile mobilenet_v1.py --target arm64 --cc gcc   (on x86-64)",
        cure="Name a cross compiler, such as aarch64-linux-gnu-gcc, or use zig.",
    ),
    "E0604": Code(
        title="zig's cache cannot be written",
        cause="zig builds the C library of a target once and keeps it in a folder: "
        "ZIG_GLOBAL_CACHE_DIR if that is set, else zig in mbc's cache: mbc in XDG_CACHE_HOME or "
        "~/.cache, or mbc-UID among the temporary files where neither can be written. Its "
        "temporary files go to ZIG_LOCAL_CACHE_DIR, if that is set, until its call ends.",
        example="ZIG_GLOBAL_CACHE_DIR=/proc/zig mbc setup arm64",
        cure="Set ZIG_GLOBAL_CACHE_DIR to a folder that you may write, on a disk with some "
        "100 MB free for each target.",
    ),
    "E0605": Code(
        title="the thread pool cannot be compiled",
        cause="Threads in this process need a small C library, which is compiled once by $CC, cc "
        "or zig and kept in mbc in XDG_CACHE_HOME or ~/.cache, or in mbc-UID among the temporary "
        "files where neither can be written. The message shows what failed.",
        example="CC=no-such-compiler mbc bench mobilenet_v1.py --threads 2",
        cure="Install a C compiler, correct CC, name a folder that you may write in "
        "XDG_CACHE_HOME, or run with one thread.",
    ),
    "E0606": Code(
        title="threads cannot be started",
        cause="The system refused to start that many threads, or to pin them to the CPUs named; or "
        "this machine has no big and little CPUs, or fewer of them than threads. "
        "On a device of `mbc bench --rpc` TVM has as many threads as its server was started with.",
        example="mbc bench mobilenet_v1.py --threads 2 --cpus 0,999",
        cure="Name CPUs that this machine has and that you may use, or ask for fewer threads.",
    ),
    "E0607": Code(
        title="there is no folder for temporary files or caches",
        cause="No folder for temporary files can be written; or there is no home to keep caches "
        "in, and the folder mbc-UID among the temporary files, which is used then, belongs to "
        "another user, can be written by others, or is a symbolic link. Files there are executed, "
        "so mbc uses no folder that somebody else could have written to.",
        example="TMPDIR=/nowhere mbc compile net.py   (in a container that is read-only)",
        cure="Name folders that you may write in TMPDIR and XDG_CACHE_HOME, or remove the one that "
        "the message names.",
    ),
    "E0608": Code(
        title="an executable for tensors that it cannot read",
        cause="The program around a network reads float32 tensors and bytes, and writes float32 "
        "and int32. The C interface knows others, which the caller fills.",
        example="mbc compile quantised.py --emit exe",
        cure="Make a library with `--emit lib,header`, and call it.",
    ),
}
