"""Names in C from names in any language, and those that something else of the system has."""

import re

import pytest

from mbc.runtime.names import MAX_LENGTH, c_identifier, member, net_identifier


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("mobilenet_v1", "mobilenet_v1"),
        ("a.b/c-d", "a_b_c_d"),
        ("a__b", "a_b"),
        ("_x", "x"),
        ("%12", "v12"),
        ("0", "v0"),
        ("", "v"),
        ("---", "v"),
        ("é", "e"),
        ("Größe", "Groudfe"),
        ("\uff57ide", "wide"),
        ("猫", "u732b"),
        ("сеть", "u441u435u442u44c"),
        ("🙂", "u1f642"),
        ("a—b", "a_b"),
        ("int", "int_"),
        ("new", "new_"),
        ("linux", "linux_"),
        ("stdin", "stdin_"),
        ("st_mtime", "st_mtime_"),
        ("uint8_t", "uint8_t_"),
        ("SIZE_MAX", "SIZE_MAX_"),
        ("mbc_pool", "mbc_pool_"),
        ("math", "math"),
    ],
)
def test_c_identifier(name: str, identifier: str) -> None:
    assert c_identifier(name) == identifier
    assert c_identifier(identifier) == identifier


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("mobilenet_v1", "mobilenet_v1"),
        ("my-net", "my_net"),
        ("net_", "net"),
        ("printf", "printf_net"),  # <printf.h>
        ("math", "math_net"),
        ("Math", "Math_net"),  # the same file on a Mac
        ("vector", "vector_net"),  # the executable, where C++ has <vector>
        ("m", "m_net"),  # libm.a
        ("new", "new_net"),
        ("int", "int_net"),
        ("avx512fintrin", "avx512fintrin_net"),
        ("mbc", "net_mbc"),  # mbc_abi
        ("mbc_pool", "net_mbc_pool"),
        ("MBC_ABI", "net_MBC_ABI"),
        ("exit", "exit"),
        ("main", "main"),
        ("environ", "environ"),
        ("detector", "detector"),
        ("猫", "u732b"),
    ],
)
def test_net_identifier(name: str, identifier: str) -> None:
    assert net_identifier(name) == identifier
    assert net_identifier(identifier) == identifier


@pytest.mark.parametrize(
    ("name", "field"),
    [("x", "x"), ("boxScores", "boxScores"), ("EOF", "eof"), ("RGB", "rgb"), ("I", "i"),
     ("M_PIf", "m_pif"), ("PRId32", "prid32"), ("NULL", "null"), ("INT", "int_"),
     ("errno", "errno_")],
)  # fmt: skip
def test_members_are_no_macros(name: str, field: str) -> None:
    assert member(name) == field


def test_scripts_stay_apart() -> None:
    names = ["猫", "犬", "сеть", "ağ", "네트워크", "δίκτυο", "شبكة", "🙂"]
    assert len({net_identifier(name) for name in names}) == len(names)


def test_long_names_stay_apart_and_fit_a_file_system() -> None:
    names = [net_identifier("网" * 80 + last) for last in ("a", "b")]
    assert len(set(names)) == 2
    for name in names:
        assert re.fullmatch(r"[A-Za-z]\w*", name)
        assert len(name) <= MAX_LENGTH
        assert net_identifier(name) == name
