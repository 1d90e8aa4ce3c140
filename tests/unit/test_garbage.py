"""Python's garbage collector: a command of its own process hardly runs it."""

import gc
import subprocess
import sys

from mbc.cli import main

SCRIPT = """
import gc, sys
runs = []
gc.callbacks.append(lambda phase, info: runs.append(info["generation"]))
from mbc.cli import OBJECTS, main
runs.clear()
sys.argv = ["mbc", "passes"]
assert main() == 0
assert gc.get_threshold()[0] == OBJECTS
assert gc.get_freeze_count() > 0
assert not runs, runs
"""


def test_a_process_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, stdout=subprocess.DEVNULL)


def test_a_command_in_another_process_leaves_the_collector_alone() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    assert main(["passes"]) == 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
