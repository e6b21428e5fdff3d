"""What a shell asks while somebody types, and the script that makes it ask.

The shell runs `coterie` with `_COTERIE_COMPLETE` set. Whatever goes wrong then is silence: nobody wants an error in the
middle of a line.
"""

from __future__ import annotations

import os
import re
import sys

from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete, split_arg_string

from coterie.app.cli.framework.command import root
from coterie.app.wire.names import COMPLETION, PROGRAM

_BASH = """\
%(complete_func)s() {
    local each type value
    COMPREPLY=()
    while IFS= read -r each && [[ $each ]]; do
        type=${each%%%%,*} value=${each#*,}
        case $type in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            part) COMPREPLY+=("$value"); compopt -o nospace 2>/dev/null ;;
            *) COMPREPLY+=("$value") ;;
        esac
    done <<< "$(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
%(complete_var)s=bash_complete "$1" 2>/dev/null)"
}
complete -F %(complete_func)s %(prog_name)s
"""


_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a response plain described parts
    local type key descr
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
%(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for type key descr in ${response}; do
        case $type in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            part) parts+=("$key") ;;
            plain) if [[ $descr == _ ]]; then plain+=("$key"); else described+=("$key:$descr"); fi ;;
        esac
    done
    if (( $#described )); then _describe -V unsorted described -U; fi
    if (( $#plain )); then compadd -U -V unsorted -a plain; fi
    if (( $#parts )); then compadd -U -V unsorted -S '' -a parts; fi
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    set -l response (env COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -ct) \\
%(complete_var)s=fish_complete %(prog_name)s 2>/dev/null)
    for each in $response
        set -l said (string split -m 1 , -- $each)
        switch $said[1]
            case dir
                __fish_complete_directories $said[2]
            case file
                __fish_complete_path $said[2]
            case plain part
                echo -- $said[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
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
        return "\n".join(
            f"{each.type},{_SPECIAL.sub(_QUOTED, each.value[cut:]) if each.type in PLAIN else each.value}"
            for each in found
        )


class _WholeWord(ShellComplete):
    """A shell that takes `--option=value` for one word: what is found takes the place of all of it."""

    def complete(self) -> str:
        words, incomplete = self.get_completion_args()
        option, sign, _ = incomplete.partition("=")
        before = option + sign if sign and option.startswith("--") else ""
        found = self.get_completions(words, incomplete)
        for each in found:
            if each.type in PLAIN:
                each.value = before + each.value
        return "\n".join(map(self.format_completion, found))


class Zsh(_WholeWord, ZshComplete):
    source_template = _ZSH


class Fish(_WholeWord, FishComplete):
    source_template = _FISH


PLAIN = frozenset({"plain", "part"})
"""`part`: more can be typed behind it, such as a prefix of keys."""

_SPECIAL = re.compile(r"[^\w@%+=:,./^-]")
_QUOTED = r"\\\g<0>"
"""bash puts words into the line as they are, and what others chose as the name of a key is not to be run."""

SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


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
