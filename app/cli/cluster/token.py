"""`coterie token`: tokens for the configuration, made offline, and those of the metadata."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import CommandGroup
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.durations import Duration
from coterie.app.cli.framework.options import offline, online, yes
from coterie.app.cli.framework.session import Session
from coterie.app.cli.models.local import ConfiguredToken
from coterie.app.cli.terminal.output import Output
from coterie.app.cli.terminal.text import when
from coterie.app.wire.names import PROGRAM
from coterie.app.wire.tokens import ID_FORM, hash_of, new_token

if TYPE_CHECKING:
    from coterie.app.client import NewToken, Rule, Token

ACTIONS = ("read", "write", "admin")


def check_id(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """For an option or argument that is a token's id."""
    if value is not None and not re.fullmatch(ID_FORM, value):
        raise click.BadParameter("must be 1 to 64 letters, digits, dots or dashes, and begin with one of the first two")
    return value


TOKEN_ID = click.argument("token_id", callback=check_id, shell_complete=suggest.tokens)


@make_command(
    "new",
    answer="coterie.app.cli.models.local:ConfiguredToken",
    examples=[f"{PROGRAM} token new", f"{PROGRAM} token new --id backup-job"],
)
@click.option(
    "--id", "token_id", default="admin", show_default=True, callback=check_id, help="Its name in the audit log."
)
@offline
def new(out: Output, token_id: str) -> None:
    """Make a token for the setting auth.tokens; no node is asked.

    It may do everything, unless you narrow its rules. With the Raft layer one such token is enough, the same on all
    nodes: it makes the others (coterie token create), which then hold on every node and can be revoked without a
    restart.
    """
    made = new_token(token_id)
    if out.json:
        out.document(ConfiguredToken(token_id, made, hash_of(made)))
        return
    out.text(
        "# The token. It is shown this once; clients send it as Authorization: Bearer <token>",
        f"# {made}",
        "",
        "# For the configuration of each node:",
        "[[auth.tokens]]",
        f'id = "{token_id}"',
        f'hash = "{hash_of(made)}"',
        'rules = [{ layer = "*", action = "admin" }]',
    )


@make_command(
    "create",
    answer="coterie.app.wire.tokens:NewToken",
    examples=[
        f"{PROGRAM} token create --id worker --rule metadata:write:jobs/ --rule locks:write:jobs/",
        f"{PROGRAM} token create --id dashboard --rule '*:read' --expires 30d --description 'the wall'",
        f"{PROGRAM} token create --id worker --rule gossip:write > worker.token",
    ],
)
@click.option("--id", "token_id", callback=check_id, help="Its name, in lists and in the audit log; else made up.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    required=True,
    metavar="LAYER:ACTION[:PREFIX]",
    help="What it allows; may be given several times. Layers: gossip, metadata, locks, cluster, tokens or *; actions: "
    "read, write or admin, each with the ones before it; PREFIX: of keys and names.",
)
@click.option("--expires", type=Duration(), metavar="DURATION", help="After this, such as 12h; else never.")
@click.option("--description", default="", help="What it is for.")
@online
def create(
    session: Session, token_id: str | None, rules: Sequence[str], expires: float | None, description: str
) -> None:
    """Make a token that holds on every node, with the rules given; it is printed, and kept nowhere.

    Its rules must not go beyond those of the token that asks. Standard output holds the token alone.
    """
    wanted = [_rule(each) for each in rules]
    made = session.run(
        lambda client: client.tokens.create(
            wanted, token_id=token_id, expires_in_seconds=expires, description=description
        )
    )
    _show_new(session, made, "made")


def _rule(text: str) -> Rule:
    from coterie.app.client import Rule  # noqa: PLC0415

    layer, _, rest = text.partition(":")
    action, _, prefix = rest.partition(":")
    if not layer or action not in ACTIONS:
        raise click.UsageError(
            f"--rule must be LAYER:ACTION[:PREFIX] with an action of {', '.join(ACTIONS)}, not {text!r}"
        )
    return Rule(layer, action, prefix)


def _show_new(session: Session, made: NewToken, done: str) -> None:
    if session.out.json:
        session.out.document(made)
        return
    session.out.remark(f"The token {made.id} is {done}. This is the only time that it is shown:")
    session.out.text(made.token)


@make_command(
    "list",
    answer="coterie.app.wire.tokens:TokenList",
    examples=[f"{PROGRAM} token list", f"{PROGRAM} token list --json | jq -r '.tokens[].id'"],
)
@online
def list_tokens(session: Session) -> None:
    """The tokens of the metadata, without their secrets. A node's own, from its setting auth.tokens, are not there."""
    from coterie.app.wire.tokens import TokenList  # noqa: PLC0415

    found = session.run(lambda client: client.tokens.list())
    if session.out.json:
        session.out.document(TokenList(found))
        return
    session.out.table(
        ("id", "rules", "made", "expires", "description"),
        [(each.id, _rules(each), when(each.created), _expiry(each), each.description) for each in found],
    )


def _rules(token: Token) -> str:
    return " ".join(f"{each.layer}:{each.action}" + (f":{each.prefix}" if each.prefix else "") for each in token.rules)


def _expiry(token: Token) -> str:
    return "never" if token.expires is None else when(token.expires)


@make_command(
    "self",
    answer="coterie.app.wire.tokens:OwnToken",
    examples=[f"{PROGRAM} token self", f"{PROGRAM} token self --token_file worker.token"],
)
@online
def show_own(session: Session) -> None:
    """Who you are to the node, and what you may do."""
    own = session.run(lambda client: client.tokens.own())
    if session.out.json:
        session.out.document(own)
        return
    session.out.pairs({"id": own.id})
    session.out.table(("layer", "action", "prefix"), [(each.layer, each.action, each.prefix) for each in own.rules])


@make_command(
    "rotate",
    answer="coterie.app.wire.tokens:NewToken",
    examples=[f"{PROGRAM} token rotate worker --keep 5m > worker.token"],
)
@TOKEN_ID
@click.option("--keep", type=Duration(), default=0.0, metavar="DURATION", help="How long the former secret holds on.")
@online
def rotate(session: Session, token_id: str, keep: float) -> None:
    """Replace the secret of a token; the former one ends at once, unless it is kept for a while."""
    _show_new(session, session.run(lambda client: client.tokens.rotate(token_id, keep_seconds=keep)), "replaced")


@make_command(
    "revoke",
    answer="coterie.app.wire.tokens:RevokedToken",
    examples=[f"{PROGRAM} token revoke worker", f"{PROGRAM} token revoke worker --yes"],
)
@TOKEN_ID
@yes
@online
def revoke(session: Session, token_id: str, yes: bool) -> None:
    """End a token for good, and the streams that were opened with it."""
    from coterie.app.wire.tokens import RevokedToken  # noqa: PLC0415

    session.out.make_sure(
        f"Whoever uses the token {token_id} will be refused by every node, from now on; it cannot be brought back.",
        yes=yes,
    )
    session.run(lambda client: client.tokens.revoke(token_id))
    if session.out.json:
        session.out.document(RevokedToken(token_id))
    else:
        session.out.text(f"The token {token_id} is revoked.")


command = CommandGroup(
    "token",
    commands=[new, create, list_tokens, show_own, rotate, revoke],
    help="Make tokens, and manage those of the metadata.",
)
