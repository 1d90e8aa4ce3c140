"""Names of classes: read from files, checked against outputs, and written as C."""

from pathlib import Path

import pytest

from mbc.diag import MbcError
from mbc.runtime.abi import IoSpec
from mbc.runtime.labels import KNOWN, check_labels, labels_config, read_labels


def code_of(function: object, *arguments: object) -> str:
    assert callable(function)
    with pytest.raises(MbcError) as caught:
        function(*arguments)
    return caught.value.diagnostics[0].code


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcat\r\ndog \r\nGürteltier\r\n".encode())
    assert read_labels(path) == ("cat", "dog", "Gürteltier")
    path.write_bytes(b"\xff\xfe")
    assert code_of(read_labels, path) == "E0709"
    assert code_of(read_labels, tmp_path) == "E0701"


def test_there_is_one_for_each_class(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    two, three = (IoSpec("y", (1, classes)) for classes in (2, 3))
    check_labels(("cat", "dog"), [two, two], path)
    assert code_of(check_labels, ("cat", "dog"), [IoSpec("y", (1, 2), "s32")], path) == "E0709"
    assert code_of(check_labels, ("cat", "dog"), [two, three], path) == "E0709"
    with pytest.raises(MbcError) as caught:
        check_labels(("background", "cat", "dog"), [two], path)
    assert "background" in caught.value.diagnostics[0].helps[0]


def test_those_of_imagenet() -> None:
    labels = read_labels(Path("imagenet"))
    assert len(labels) == 1000
    assert [labels[i] for i in (0, 281, 282, 285, 999)] == [
        "tench",
        "tabby",
        "tiger cat",
        "Egyptian cat",
        "toilet tissue",
    ]
    assert all(labels)
    assert list(KNOWN) == ["imagenet"]


def test_as_c() -> None:
    assert labels_config(None) == ""
    text = labels_config(('a "b" \\', "ü??/7"))
    assert '    "a \\042b\\042 \\134",\n    "\\303\\274\\077\\077/7",\n' in text
