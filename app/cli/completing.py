"""What a shell asks while somebody types, and the script that makes it ask.

The shell runs `coterie` with `_COTERIE_COMPLETE` set. Whatever goes wrong then is silence: nobody wants an error in the
middle of a line.
"""

from __future__ import annotations

import os
import sys

from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete, split_arg_string

from app.cli.framework import root
from app.command_line import PROGRAM
from app.main import COMPLETION

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' reply each type value
    COMPREPLY=()
    reply=$(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
%(complete_var)s=bash_complete "$1" 2>/dev/null)
    for each in $reply; do
        type=${each%%%%,*} value=${each#*,}
        case $type in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            part) COMPREPLY+=("$value"); compopt -o nospace 2>/dev/null ;;
            *) COMPREPLY+=("$value") ;;
        esac
    done
}
complete -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Names of nodes hold colons, at which bash cuts words in two: so this reads the line itself, and answers with the
    part behind the last cut."""

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """The script needs nothing newer than what there has been for decades."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environb[b"COMP_LINE"][: int(os.environ["COMP_POINT"])].decode(errors="replace")
        words = split_arg_string(line)[1:]
        if not line or line[-1].isspace():
            return words, ""
        return words[:-1], words[-1] if words else ""

    def complete(self) -> str:
        words, incomplete = self.get_completion_args()
        found = self.get_completions(words, incomplete)
        breaks = set(os.environ.get("COMP_WORDBREAKS", "")) & set(":=")
        if incomplete.startswith("--") and "=" in incomplete:
            incomplete = incomplete.partition("=")[2]  # what is found is its value
        cut = max((incomplete.rfind(each) for each in breaks), default=-1) + 1
        return "\n".join(f"{each.type},{each.value[cut:] if each.type in PLAIN else each.value}" for each in found)


PLAIN = frozenset({"plain", "part"})
"""`part`: more can be typed behind it, such as a prefix of keys."""

SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": ZshComplete, "fish": FishComplete}


def script(shell: str) -> str:
    """What the shell is to read at its start."""
    return SHELLS[shell](root, {}, PROGRAM, COMPLETION).source()


def answer_shell() -> int:
    """Answer the question that is in the environment; always 0."""
    try:
        shell, _, what = os.environ[COMPLETION].partition("_")
        if what == "complete":
            sys.stdout.write(SHELLS[shell](root, {}, PROGRAM, COMPLETION).complete() + "\n")
            sys.stdout.flush()
    except BaseException:  # noqa: BLE001, S110 - see above
        pass
    return 0
