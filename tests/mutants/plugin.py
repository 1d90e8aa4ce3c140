"""A pytest plugin for runs on a mutant: the same random cases each time, and no search for the
smallest that fails. It refuses to test anything but the tree that it is run in."""

from pathlib import Path

import pytest
from hypothesis import Phase, settings

import mbc

settings.register_profile(
    "mutants",
    database=None,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("mutants")

if Path.cwd() not in Path(mbc.__file__).parents:
    pytest.exit(f"{mbc.__file__} is not of the tree {Path.cwd()}", returncode=4)
