"""Constants that are no tables of the product."""

from __future__ import annotations

from collections.abc import Mapping

NO_TABLES: Mapping[str, str] = {
    "HEADERS NUMBERS ROOF_HEADERS MEMORY_HEADERS WORDS": "columns of a printed table",
    "COLOURS SCRATCH INK FAINT RED": "colours of a picture",
    "DAMAGE": "what libraries raise for damaged files",
    "FLAGS C_FLAGS SOURCES MAIN_SOURCES": "a command",
    "EXP EXP2 LOG TANH GELU_LOG2 GELU_TANH IMAGENET": "numbers of a formula",
    "CHUNKS REGISTERS LANES RULES ORDERS": "candidates of a search, which finds something anyway",
    "HELPS LEVELS ELSEWHERE": "words",
    "IMAGE VOLUME TO_PLANAR": "orders of axes",
    "OIHW_TO_HWIO OHWI_TO_OIHW IHWO_TO_OIHW": "orders of axes of weights",
    "DOMAINS": "two names of one thing",
    "ONLY_REMOTE RPC_NEEDS PAIR": "a list of its own, not by a class of things",
    "_IN_NAMES": "characters",
    "THREADS": "settings of a library",
    "_COLUMNS _ROW": "a structure of C",
    "LATE": "attributes that a class lacks until it is complete",
    "WEIGHT_BITS METHODS": "values of a setting",
    "PHOTOS FILES": "ends of names",
}
"""Other constants of several elements, by their names, and what they are."""
