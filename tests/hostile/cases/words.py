"""Words of the command line that are misspelt, missing or contradict each other."""

from tests.hostile.cases.case import Case

ARM = "mbc compile tiny.py --target arm64 -o out"
PAIR = "fuse-depthwise-pointwise"

CASES = (
    Case("a misspelt command", "mbc complie tiny.py", status=2),
    Case("no file", "mbc compile", status=2),
    Case("two files", "mbc compile tiny.py tiny.py -o out", status=2),
    Case("a misspelt option", f"{ARM} --dump_ir", status=2),
    Case("an option without its value", f"{ARM} --mcpu", status=2),
    Case("a misspelt target", "mbc compile tiny.py --target amr64 -o out"),
    Case("a target like no other", "mbc compile tiny.py --target z80 -o out"),
    Case("a board without NEON", "mbc compile tiny.py --target rpi1 -o out"),
    Case("another byte order", "mbc compile tiny.py --target aarch64_be -o out"),
    Case("a CPU as a target", "mbc compile tiny.py --target cortex-a72 -o out"),
    Case("a misspelt cpu", f"{ARM} --mcpu cortex-a54"),
    Case("a cpu of another architecture", f"{ARM} --mcpu znver3"),
    Case("a misspelt feature", f"{ARM} --mattr=+dotprd"),
    Case("a feature without its sign", f"{ARM} --mattr=dotprod"),
    Case("a feature that is needed", f"{ARM} --mattr=-neon"),
    Case("a misspelt pass", f"{ARM} --passes fold-batchnorm"),
    Case("a misspelt option of a pass", f"{ARM} --passes '{PAIR}{{mod=always}}'"),
    Case("a misspelt value of a pass", f"{ARM} --passes '{PAIR}{{mode=alway}}'"),
    Case("an open brace", f"{ARM} --passes '{PAIR}{{mode=always'"),
    Case("a misspelt pass to print", f"{ARM} --print-ir-after fuse-activations"),
    Case("a misspelt stage", "mbc compile tiny.py --stop-after fuze"),
    Case("a misspelt emit kind", f"{ARM} --emit exe,haeder"),
    Case("no emit kind", f"{ARM} --emit ,"),
    Case("an unknown level", f"{ARM} -O9", status=2),
    Case("a level and passes", f"{ARM} -O1 --passes fold-constants"),
    Case("a seed below 0", f"{ARM} --seed -1", status=2),
    Case("dumps into the output", f"{ARM} --dump-ir=out/ir", status=2),
    Case("no output folder to stop before", f"{ARM} --stop-after fuse"),
    Case("neither network nor text", "mbc compile net.h5 -o out", {"net.h5": "\x08\x07"}),
    Case("no such example", "mbc new mobilenet_v9.py"),
    Case("no such code", "mbc explain E9999"),
    Case("a target to set up", "mbc setup arm46"),
    Case("no rounds", "mbc bench tiny.py --rounds 0", status=2),
    Case("a preset", "mbc run tiny.py --input x.png --preprocess toch", status=2),
    Case("a standard deviation of 0", "mbc run tiny.py --input x.png --std 0", status=2),
    Case("two means", "mbc run tiny.py --input x.png --mean 0.4,0.5", status=2),
)
