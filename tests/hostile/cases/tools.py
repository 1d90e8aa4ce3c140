"""Compilers and linkers that are missing or fail."""

from tests.hostile.cases.case import Case

EXE = "mbc compile tiny.py --target arm64 -o out --emit exe"
SCRIPT = """#!/bin/sh
case " $* " in
  " -dumpmachine ") echo {machine} ;;
  " -print-prog-name=ar ") echo "$PWD/cc.sh" ;;
  " rcsD "*) {archive} ;;
  *) {link} ;;
esac
"""
FAILS = "echo 'ld: cannot find -lmagic' >&2; exit 3"
WRITES = ': > "$2"'


def script(
    archive: str = WRITES, link: str = FAILS, machine: str = "aarch64-linux-gnu"
) -> dict[str, str]:
    """A compiler of few words, which is its own archiver."""
    return {"cc.sh": SCRIPT.format(machine=machine, archive=archive, link=link)}


MADE = f"{EXE} --cc ./cc.sh"

CASES = (
    Case("linker: no such compiler", f"{EXE} --cc no-such-cc"),
    Case("linker: none by MBC_CC", EXE, environment={"MBC_CC": "no-such-cc"}),
    Case("linker: an open quote", f'{EXE} --cc "gcc \'a"'),
    Case("linker: a text", f"{EXE} --cc ./tiny.py"),
    Case("linker: no program", MADE, {"cc.sh": b"\x7fELF\0junk"}),
    Case("linker: for another machine", MADE, script(machine="sparc-sun-solaris")),
    Case("linker: fails", MADE, script()),
    Case("linker: dies", MADE, script(link="kill -9 $$")),
    Case("linker: makes nothing", MADE, script(link="true")),
    Case("linker: answers nothing", MADE, {"cc.sh": "#!/bin/sh\nexit 1\n"}),
    Case("linker: no cache", EXE, environment={"ZIG_GLOBAL_CACHE_DIR": "/proc/zig"}),
    Case("linker: fails to archive", MADE.replace("exe", "lib"), script(FAILS)),
)
