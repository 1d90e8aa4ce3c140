"""The page as a file: its libraries, modules and data."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mbc.inspect.libraries import ASSETS, VENDOR, Library, libraries
from mbc.inspect.modules import IMPORT, exports, join
from mbc.inspect.packing import pack
from mbc.inspect.page import make_page
from tests.e2e.support import TINY, done, mbc

APP = ASSETS / "app"
NAMED = re.compile(r"[\w$]+")
MADE_FOR = ("-D", "width=4", "--target", "rpi4")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tiny") / "tiny.py"
    file.write_text(TINY)
    return file


def embedded(page: str) -> dict[str, Any]:
    """The data in a page, as it is packed."""
    found = re.search(r'<script id="data"[^>]*>([^<]*)</script>', page)
    assert found
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


@pytest.mark.parametrize("library", libraries(), ids=lambda library: library.short_name)
def test_a_library_is_what_was_published(library: Library) -> None:
    assert hashlib.sha256(library.script.read_bytes()).hexdigest() == library.sha256
    assert "opyright" in library.licence_file.read_text("utf-8")
    assert "</script" not in library.source
    assert "sourceMappingURL" not in library.source


def test_nothing_else_is_vendored() -> None:
    listed = {file for one in libraries() for file in (one.script, one.licence_file)}
    assert {*VENDOR.iterdir()} == listed | {VENDOR / "packages.toml"}


def test_modules_import_what_is_exported_and_used() -> None:
    texts = {path.name: path.read_text("utf-8") for path in APP.glob("*.js")}
    for name, text in texts.items():
        rest = NAMED.findall(IMPORT.sub("", text))
        for found in IMPORT.finditer(text):
            wanted = NAMED.findall(found[1])
            assert {*wanted} <= {*exports(texts[found[2]])}, (name, found[2])
            assert [word for word in wanted if word not in rest] == [], name


def test_modules_are_joined_after_those_that_they_import(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import { two } from "./b.js";\nexport const four = 2 * two;\n')
    (tmp_path / "b.js").write_text("export const two = 2;\n")
    script = join(tmp_path)
    assert script.index('modules["b.js"] =') < script.index('modules["a.js"] =')
    assert "import " not in script
    assert "export " not in script


def test_what_stages_share_is_kept_once() -> None:
    graph = {"nodes": [{"name": "a"}, {"name": "b"}], "text": "x\ny\n"}
    later = {"nodes": [{"name": "b"}], "text": "y\nz\n"}
    packed = json.loads(gzip.decompress(base64.b64decode(pack({"graphs": [graph, later]}))))
    assert packed["nodes"] == [{"name": "a"}, {"name": "b"}]
    assert packed["lines"] == ["x", "y", "z"]
    assert [one["nodes"] for one in packed["graphs"]] == [[0, 1], [1]]
    assert [one["text"] for one in packed["graphs"]] == [[0, 1], [1, 2]]


def test_names_cannot_break_out_of_the_page(shuffled: dict[str, Any]) -> None:
    name = "</title></script>@DATA@"
    page = make_page(shuffled | {"network": shuffled["network"] | {"name": name}})
    assert name not in page
    assert embedded(page)["network"]["name"] == name


def test_the_command_writes_it(tiny: Path) -> None:
    out = tiny.with_name("report.html")
    outcome = done("inspect", tiny, *MADE_FOR, "--html", out)
    assert outcome.out == ""
    (source,) = embedded(out.read_text("utf-8"))["sources"]
    assert source["text"] == TINY


def test_the_source_may_be_left_out(tiny: Path) -> None:
    out = tiny.with_name("without.html")
    done("inspect", tiny, *MADE_FOR, "--html", out, "--no-source")
    data = embedded(out.read_text("utf-8"))
    assert data["sources"] is None
    assert "nn.depthwise" not in json.dumps(data)


def profile_of(tiny: Path) -> dict[str, Any]:
    """A profile of the small network; two rounds."""
    done_ = done("profile", tiny, "-D", "width=4", "--rounds", "2", "--json")
    found: dict[str, Any] = json.loads(done_.out)
    return found


def test_measured_times_go_in(tiny: Path) -> None:
    profile, out = profile_of(tiny), tiny.with_name("measured.html")
    file = tiny.with_name("profile.json")
    file.write_text(json.dumps(profile))
    done("inspect", tiny, "-D", "width=4", "--html", out, "--profile", file)
    found = embedded(out.read_text("utf-8"))["profile"]
    assert found["ms_median"] == profile["ms_median"]
    assert [layer["ms"] for layer in found["layers"]] == [row["ms"] for row in profile["layers"]]


def test_losses_on_codes_go_in(tiny: Path) -> None:
    ranges, file = tiny.with_name("net.q"), tiny.with_name("losses.json")
    told = done("quantize", tiny, "-D", "width=4", "--random", "-o", ranges, "--json").out
    file.write_text(told)
    out = tiny.with_name("codes.html")
    done("inspect", tiny, *MADE_FOR, "--quantize", ranges, "--html", out, "--losses", file)
    found, told = embedded(out.read_text("utf-8"))["losses"], json.loads(told)
    assert [*found["layers"]] == [row["name"] for row in told["layers"]]
    assert found["layers"]["fc"]["total"] == found["outputs"]["output"] == told["outputs"]["output"]


def test_losses_of_another_network(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "losses.json"
    row = {"name": "another", "op": "conv2d", "alone": 40.0, "total": 30.0}
    file.write_text(json.dumps({"layers": [row], "outputs": {"output": 30.0}}))
    outcome = mbc("inspect", tiny, *MADE_FOR, "--json", "--losses", file)
    assert (outcome.status, outcome.code) == (1, "E0714")
    assert "has a layer another" in outcome.err


BROKEN = {
    "no JSON": "ms",
    "another object": "[]",
    "no times": '{"layers": [{"name": "fc"}]}',
    "numbers that are words": '{"layers": [{"name": "fc", "ms": "soon", "alone": "much"}]}',
}


@pytest.mark.parametrize("option", ["--profile", "--losses"])
@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_file_of_something_else(text: str, option: str, tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    file.write_text(text)
    outcome = mbc("inspect", tiny, *MADE_FOR, "--json", option, file)
    assert (outcome.status, outcome.code) == (1, "E0714")


def test_a_profile_of_other_kernels(tiny: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "profile.json", tmp_path / "report.html"
    profile = profile_of(tiny)
    profile["layers"][0]["name"] = "another"
    file.write_text(json.dumps(profile))
    outcome = mbc("inspect", tiny, "-D", "width=4", "--html", out, "--profile", file)
    assert (outcome.status, outcome.code) == (1, "E0714")
    assert "has a layer another" in outcome.err
    assert not out.exists()


def test_a_profile_that_is_not_there(tiny: Path, tmp_path: Path) -> None:
    outcome = mbc("inspect", tiny, *MADE_FOR, "--profile", tmp_path / "none.json")
    assert (outcome.status, outcome.code) == (1, "E0701")


def test_losses_are_for_the_page_and_the_json(tiny: Path, tmp_path: Path) -> None:
    outcome = mbc("inspect", tiny, *MADE_FOR, "--losses", tmp_path / "losses.json")
    assert (outcome.status, outcome.code) == (1, "E0106")
