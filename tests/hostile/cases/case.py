"""One mistake: the files that it needs, the command, and how it must end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Files = Mapping[str, str | bytes]

HEAD = "from mbc.frontends.dsl import Net, Tensor, network\n\n"


@dataclass(frozen=True)
class Case:
    """`command` is a line of a shell, run where tiny.py and a good bundle in out/ lie. `nobody`
    runs it without the rights of the superuser, with those files not its own."""

    name: str
    command: str
    files: Files = field(default_factory=dict)
    status: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    nobody: bool = False


def net(*lines: str, head: str = HEAD, parameters: str = "") -> str:
    """The text of a network whose body these lines are."""
    takes = f"nn: Net, *, {parameters}" if parameters else "nn: Net"
    body = "".join(f"    {line}\n" for line in lines)
    return f"{head}@network\ndef net({takes}) -> Tensor:\n{body}"


def compiled(name: str, content: str | bytes, options: str = "") -> Case:
    """A network that cannot be compiled."""
    command = f"mbc compile net.py {options}".strip()
    return Case(name, f"{command} --target arm64 -o out --emit header", {"net.py": content})
