"""All mistakes that we seed."""

from __future__ import annotations

from tests.mutants.activations import MUTANTS as ACTIVATIONS
from tests.mutants.apart import MUTANTS as APART
from tests.mutants.argmax import MUTANTS as ARGMAX
from tests.mutants.arithmetic import MUTANTS as ARITHMETIC
from tests.mutants.backends import MUTANTS as BACKENDS
from tests.mutants.bytes import MUTANTS as BYTES
from tests.mutants.caches import MUTANTS as CACHES
from tests.mutants.costs import MUTANTS as COSTS
from tests.mutants.gates import MUTANTS as GATES
from tests.mutants.grid import MUTANTS as GRID
from tests.mutants.importing import MUTANTS as IMPORTING
from tests.mutants.inspecting import MUTANTS as INSPECTING
from tests.mutants.integers import MUTANTS as INTEGERS
from tests.mutants.interface import MUTANTS as INTERFACE
from tests.mutants.kernels import MUTANTS as KERNELS
from tests.mutants.lite import MUTANTS as LITE
from tests.mutants.moves import MUTANTS as MOVES
from tests.mutants.names import MUTANTS as NAMES
from tests.mutants.nans import MUTANTS as NANS
from tests.mutants.oracle import MUTANTS as ORACLE
from tests.mutants.paddings import MUTANTS as PADDINGS
from tests.mutants.pages import MUTANTS as PAGES
from tests.mutants.passes import MUTANTS as PASSES
from tests.mutants.photos import MUTANTS as PHOTOS
from tests.mutants.planner import MUTANTS as PLANNER
from tests.mutants.quantise import MUTANTS as QUANTISE
from tests.mutants.quantised import MUTANTS as QUANTISED
from tests.mutants.reductions import MUTANTS as REDUCTIONS
from tests.mutants.roles import MUTANTS as ROLES
from tests.mutants.spatial import MUTANTS as SPATIAL
from tests.mutants.threads import MUTANTS as THREADS
from tests.mutants.views import MUTANTS as VIEWS
from tests.mutants.weights import MUTANTS as WEIGHTS
from tests.mutants.words import MUTANTS as WORDS

MUTANTS = (
    *VIEWS,
    *MOVES,
    *PASSES,
    *PLANNER,
    *KERNELS,
    *NAMES,
    *NANS,
    *PADDINGS,
    *THREADS,
    *WORDS,
    *ORACLE,
    *BYTES,
    *CACHES,
    *APART,
    *PAGES,
    *PHOTOS,
    *IMPORTING,
    *LITE,
    *INTERFACE,
    *ROLES,
    *INSPECTING,
    *INTEGERS,
    *QUANTISED,
    *QUANTISE,
    *ACTIVATIONS,
    *ARITHMETIC,
    *GATES,
    *WEIGHTS,
    *BACKENDS,
    *GRID,
    *REDUCTIONS,
    *ARGMAX,
    *SPATIAL,
    *COSTS,
)
