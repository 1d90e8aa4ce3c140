"""Networks called like headers, words of C, symbols of libc and our own, and in other scripts."""

import subprocess
from pathlib import Path

import pytest

from mbc.backends.llvm.link import MAIN_SOURCES
from mbc.runtime.abi import IoSpec, NetSpec
from mbc.runtime.header import c_header
from mbc.runtime.names import net_identifier
from mbc.runtime.program import main_config
from tests.e2e.support import TINY, done, files_of, mbc
from tests.everyday import part_of

# Headers of the C library and of ours, our macros, types, functions and tables, symbols of libc.
NAMES = [
    *(
        "stdio",
        "math",
        "errno",
        "threads",
        "mbc_net",
        "mbc_pool",
        "mbc",
        "pool",
        "weights",
        "inputs",
    ),
    *(
        "outputs",
        "profile",
        "arena",
        "tensor",
        "options",
        "layer",
        "memory",
        "net",
        "run",
        "run_net",
    ),
    *("main", "printf", "exit", "read", "environ", "malloc", "int", "new", "linux", "INT8", "max"),
    *("猫", "сеть", "🙂"),
]
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")


def spec(name: str) -> NetSpec:
    """A network whose tensors have awkward names too."""
    inputs = tuple(IoSpec(each, (1, 2, 2, 3)) for each in ("input", "EOF", "errno", "int"))
    outputs = (IoSpec("output", (1, 4)), IoSpec("memory", ()))
    return NetSpec(net_identifier(name), inputs, outputs, 64, 0, weights_bytes=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_programs_source_takes_any_name(name: str, tmp_path: Path) -> None:
    net = spec(name)
    (tmp_path / "mbc_net.h").write_text(main_config(net))
    main = [path for path in MAIN_SOURCES if path.name == "main.c"]
    subprocess.run(["gcc", *STRICT, "-iquote", tmp_path, *main], check=True)


def test_headers_of_all_names_go_together_and_leave_the_systems_alone(tmp_path: Path) -> None:
    """In one file, from a folder that comes before the system's."""
    nets = {net_identifier(name) for name in NAMES}
    for net in nets:
        (tmp_path / f"{net}.h").write_text(c_header(spec(net)))
    lines = [f'#include "{net}.h"' for net in sorted(nets)]
    system = ("stdio", "math", "errno", "threads", "stdlib", "string", "unistd", "limits")
    lines += [f"#include <{header}.h>" for header in system]
    lines += ["double use(FILE *f) { return fmax(errno, putc(EOF, f)) + INT_MAX; }"]
    (tmp_path / "all.c").write_text("\n".join([*lines, ""]))
    (tmp_path / "all.cpp").write_text("#include <vector>\n" + "\n".join([*lines, ""]))
    folder = ("-I", tmp_path)
    subprocess.run(["gcc", *STRICT, *folder, tmp_path / "all.c"], check=True)
    words = [word for word in STRICT if word != "-std=c11"]
    subprocess.run(["g++", "-std=c++11", *words, *folder, tmp_path / "all.cpp"], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", part_of(zip(("math", "mbc_net", "main", "printf", "猫")), lambda n: n in ("main", "猫"))
)
def test_a_file_of_any_name_compiles_and_runs(name: str, tiny: Path) -> None:
    source = tiny.with_stem(name)
    tiny.rename(source)
    done("compile", source, "--cc", "gcc", "-o", "out")
    assert "verified" in done("verify", "out", "--cc", "gcc").out
    assert f"{net_identifier(name)}.h" in files_of(Path("out"))


TWO_NETS = TINY + TINY.partition("\n\n\n")[2].replace("def tiny", "def other")


def test_several_networks_of_a_file_have_names_of_their_own(tiny: Path) -> None:
    tiny.write_text(TWO_NETS)
    for network in ("tiny", "other"):
        done("compile", tiny, "--network", network, "--emit", "lib,header")
        assert f"tiny_{network}.h" in files_of(Path("build", f"tiny_{network}-native"))


def test_one_network_has_the_files_name_whether_or_not_it_is_named(tiny: Path) -> None:
    for network in ((), ("--network", "tiny")):
        done("compile", tiny, *network, "--emit", "header", "-o", "out")
        assert "tiny.h" in files_of(Path("out"))


def test_the_user_names_the_network(tiny: Path) -> None:
    done("compile", tiny, "--name", "detector", "--emit", "lib,header,obj")
    files = files_of(Path("build/detector-native"))
    assert {"detector.h", "libdetector.a", "detector.o"} <= set(files)
    assert b"detector_run" in files["detector.h"]
    assert b"tiny" not in files["detector.h"]


@pytest.mark.parametrize(
    ("name", "better"),
    [("math", "math_net"), ("a-b", "a_b"), ("2nd", "v2nd"), ("int", "int_net"),
     ("mbc_pool", "net_mbc_pool"), ("", "v"), ("é", "e")],
)  # fmt: skip
def test_a_name_that_c_has_no_room_for_is_refused(name: str, better: str, tiny: Path) -> None:
    outcome = mbc("compile", tiny, "--name", name, "-o", "out")
    assert (outcome.status, outcome.code) == (1, "E0109")
    assert f"call it {better}," in outcome.err
    assert not Path("out").exists()
