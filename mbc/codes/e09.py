"""E09xx: faults of mbc itself."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0901": Code(
        title="this is a bug in mbc",
        cause="Something happened that mbc's authors did not foresee. It is not your mistake, "
        "though another way of writing the network may get around it.",
        example="(none is known)",
        cure="Report it with the file that the message names and your network; please look "
        "through that file first, for it holds paths of your machine.",
    ),
}
