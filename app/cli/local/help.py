"""`coterie help`: of a command, as its `--help`; and what belongs to all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import click
from click.shell_completion import CompletionItem

from coterie.app.cli.command_line import bare_help
from coterie.app.cli.command_names import COMMANDS
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.command import find
from coterie.app.cli.terminal.exits import Exit
from coterie.app.wire.names import PROGRAM

ERRORS = f"""\
What went wrong is one line on standard error, "{PROGRAM}: ...". With --json it is an object there:
{{"error": {{"code", "message", "parameter", "exit_code"}}}}, with the API's code where a node refused. Standard output
then holds no answer, or, of what follows a stream, whole lines."""


CLIENT_FILE = f"""\
How a cluster is reached comes from options, then from the environment, then from a file:

  option        variable                   client.toml
  --address     COTERIE_CLIENT_ADDRESS     address = ["https://10.0.0.1:10000", "https://10.0.0.2:10000"]
  --token_file  COTERIE_CLIENT_TOKEN_FILE  token_file = "/etc/coterie/token"
                COTERIE_CLIENT_TOKEN       token = "coterie_..."    (only in a file that nobody else may read)
  --ca_file     COTERIE_CLIENT_CA_FILE     ca_file = "/etc/coterie/ca.pem"
  --cert_file   COTERIE_CLIENT_CERT_FILE   cert_file = "/etc/coterie/client.pem"
  --key_file    COTERIE_CLIENT_KEY_FILE    key_file = "/etc/coterie/client.key"
  --timeout     COTERIE_CLIENT_TIMEOUT     timeout = 10.0

The file is ~/.config/coterie/client.toml ($XDG_CONFIG_HOME), or what COTERIE_CLIENT_FILE names. Several addresses (in
the variable split by commas) are tried in turn; what is about one very node ({PROGRAM} kv put, {PROGRAM} leave,
{PROGRAM} raft status) is for the first of them alone. A token is never an argument: others can see those.
"""


def exit_codes() -> str:
    lines = (f"  {int(each):>3}  {each.about}\n" for each in Exit)
    return "".join(["Exit codes of all commands but a node's own:\n\n", *lines, "\n", ERRORS, "\n"])


TOPICS: Mapping[str, Callable[[], str]] = {"exit-codes": exit_codes, "client-file": lambda: CLIENT_FILE}


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    words: tuple[str, ...] = ctx.params.get("words") or ()
    if not words:
        names = [*COMMANDS, *TOPICS]
    else:
        try:
            found, below = find(words)
        except click.UsageError:
            return []
        names = found.list_commands(below) if isinstance(found, click.Group) else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@make_command(
    "help", examples=[f"{PROGRAM} help token new", f"{PROGRAM} help exit-codes", f"{PROGRAM} help client-file"]
)
@click.argument("words", nargs=-1, metavar="[COMMAND...|TOPIC]", shell_complete=_complete)
def command(words: tuple[str, ...]) -> None:
    """Help for a command, or on a topic: exit-codes, client-file."""
    if not words:
        sys.stdout.write(bare_help())
    elif len(words) == 1 and words[0] in TOPICS:
        sys.stdout.write(TOPICS[words[0]]())
    else:
        found, ctx = find(words)
        sys.stdout.write(found.get_help(ctx) + "\n")
