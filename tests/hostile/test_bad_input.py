"""Whatever is wrong, the user is told what and where, and nothing is left behind.

The messages stand in bad_input.golden: `=== name`, the command, what it says on stderr from the
error on. `pytest --update-golden` rewrites it.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mbc.codes import CODES
from tests.e2e.support import Outcome, done, mbc
from tests.hostile.cases import CASES
from tests.hostile.cases.case import Case
from tests.hostile.sandbox import Sandbox, make_sandbox, write_files

GOLDEN = Path(__file__).with_name("bad_input.golden")
NOBODY = 65534
PROGRAMS = (b"#!", b"\x7fELF")


@pytest.fixture(scope="session")
def program(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executable of tiny.py for this machine."""
    folder = tmp_path_factory.mktemp("program")
    done("compile", bundle / "tiny.py", "-o", folder / "out", "--emit", "exe")
    return folder / "out" / "tiny"


def expectations() -> dict[str, str]:
    texts = GOLDEN.read_text("utf-8").split("=== ")[1:] if GOLDEN.exists() else []
    return {name: rest for name, _, rest in (text.partition("\n") for text in texts)}


EXPECTED = expectations()


@contextmanager
def circumstances(case: Case, sandbox: Sandbox, program: Path) -> Iterator[None]:
    """The files, the environment and the rights of a case."""
    write_files(sandbox.work, case.files)
    for path in sandbox.work.iterdir():
        if path.is_file() and path.read_bytes().startswith(PROGRAMS):
            path.chmod(0o755)
    if case.command.startswith("./"):
        shutil.copy(program, sandbox.work)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sandbox.work)
        patch.setenv("TMPDIR", str(sandbox.temporary))
        patch.setattr(tempfile, "tempdir", None)
        patch.delenv("MBC_CC", raising=False)
        for name, value in case.environment.items():
            patch.setenv(name, value)
        with without_rights(sandbox) if case.nobody else nothing():
            yield


@contextmanager
def nothing() -> Iterator[None]:
    yield


@contextmanager
def without_rights(sandbox: Sandbox) -> Iterator[None]:
    """Nothing in `work` may be written, and what is secret not be read; not even by root."""
    folders = [sandbox.work, *(path for path in sandbox.work.rglob("*") if path.is_dir())]
    secrets = list(sandbox.work.glob("secret*"))
    modes = {path: path.stat().st_mode for path in [*folders, *secrets, sandbox.temporary]}
    for folder in folders:
        folder.chmod(0o555)
    for secret in secrets:
        secret.chmod(0)
    sandbox.temporary.chmod(0o777)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        for path, mode in modes.items():
            path.chmod(mode)


def run(case: Case) -> Outcome:
    """Run the command in this process, or the executable."""
    words = shlex.split(case.command)
    if words[0] == "mbc":
        return mbc(*words[1:])
    ended = subprocess.run(words, capture_output=True, text=True)
    return Outcome(ended.returncode, ended.stdout, ended.stderr)


def outcome(case: Case, folder: Path, bundle: Path, program: Path) -> str:
    """What the case says, after checking how it ended and what it left."""
    sandbox = make_sandbox(folder, bundle)
    with circumstances(case, sandbox, program):
        pass  # the files, without the command
    before = sandbox.state()
    with circumstances(case, sandbox, program):
        ended = run(case)
    assert ended.status == case.status, ended
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert sandbox.state() == before
    message = ended.err[ended.err.index("error[") :]
    assert set(re.findall(r"error\[(\w+)\]", message)) <= CODES.keys()
    return f"$ {case.command[:200]}\n{plain(message, sandbox)}"


def plain(message: str, sandbox: Sandbox) -> str:
    """Without the folders of this run, and without lists that grow with mbc."""
    message = message.replace(f"{sandbox.work}/", "").replace(str(sandbox.work), ".")
    message = message.replace(str(sandbox.temporary), "TMP")
    message = re.sub(r"(commands are|targets are|kinds are|such as|\./cc\.sh) .+", r"\1 …", message)
    return re.sub(r"mbc-\w{8}", "mbc-…", message)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_bad_input(
    case: Case, place: Path, bundle: Path, program: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--update-golden"):
        pytest.skip("rewritten by test_update")
    assert outcome(case, place, bundle, program) == EXPECTED.get(case.name)


def test_update(place: Path, bundle: Path, program: Path, request: pytest.FixtureRequest) -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 60
    if not request.config.getoption("--update-golden"):
        assert set(EXPECTED) == set(names)
        return
    texts = []
    for number, case in enumerate(CASES):
        folder = place / str(number)
        folder.mkdir()
        texts.append(f"=== {case.name}\n{outcome(case, folder, bundle, program)}")
    GOLDEN.write_text("".join(texts), "utf-8")
