"""E011x, E012x: the parameters of a network, which `-D` and `--batch` set; names of its values."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0110": Code(
        title="no such parameter",
        cause="`-D` names a parameter that the network's function does not declare.",
        example="mbc compile mobilenet_v1.py -D alhpa=0.5",
        cure="The message lists the parameters; each is a keyword of the function under @network.",
    ),
    "E0111": Code(
        title="a parameter of another type",
        cause="The value does not read as the type that the function declares: an integer, a "
        "number (finite), or true or false.",
        example="mbc compile mobilenet_v1.py -D resolution=160.5",
        cure="Give a value of that type; the message shows the default.",
    ),
    "E0112": Code(
        title="a parameter outside its choices",
        cause="The parameter is declared as a Literal, and the value is not among its choices.",
        example="mbc compile shufflenet_v1.py -D groups=5",
        cure="Take one of the values that the message lists.",
    ),
    "E0113": Code(
        title="a batch below 1",
        cause="Shapes are static, so a network is compiled for one batch size, at least 1.",
        example="mbc compile mobilenet_v1.py --batch 0",
        cure="Give --batch a positive integer, or leave it out for 1.",
    ),
    "E0114": Code(
        title="values that a sweep cannot go through",
        cause="`mbc sweep` takes lists (`-D alpha=0.5,1.0`) and ranges FIRST:LAST:STEP, which have "
        "LAST too where the steps reach it (`-D resolution=128:224:32`). A value is missing or "
        "given twice, a range has no such steps, or there are more points than anyone waits for.",
        example="mbc sweep net.py -D resolution=128:224",
        cure="Give first, last and step, or the values themselves.",
    ),
    "E0115": Code(
        title="a condition that is none",
        cause="`--where` compares a column of the sweep, or a parameter of -D, with a number: "
        "COLUMN, one of < <= > >= == !=, and the number with its unit.",
        example="mbc sweep net.py --where 'arena<1 parsec'",
        cure="The message lists the columns, or the units that the column takes; times need one.",
    ),
    "E0116": Code(
        title="the results of another sweep",
        cause="`mbc sweep --resume` goes on with a file that `mbc sweep` has written for the same "
        "network, compiled and measured in the same way. This one was written for another, by "
        "another version of mbc, or by something else.",
        example="mbc sweep net.py --rounds 50 --resume, after --rounds 100",
        cure="Give the options of the sweep that was interrupted, or begin anew without --resume.",
    ),
    "E0120": Code(
        title="no such value",
        cause="Values have the names that dumps show: those of scopes and layers, or of the model "
        "that was imported. Nothing in any stage of the network is called so.",
        example="mbc inspect mobilenet_v1.py --node blocks.0.depthwise",
        cure="Take a name of `mbc inspect FILE --pass import`; the message lists similar ones.",
    ),
}
