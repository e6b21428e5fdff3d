"""The message of a started node: a line in its log, and on a terminal the next steps."""

from __future__ import annotations

import stat
import sys
from collections.abc import Sequence
from importlib.metadata import version
from ipaddress import ip_address

import structlog

from coterie.app.settings.settings import Settings, read_config_file
from coterie.app.wire.names import shell_command
from coterie.gossip import Address, GossipNode

_MAY = {"read": "read everything", "write": "read and write everything", "admin": "do everything"}

SECRETS = (("raft", "secret"), ("keyring", "keys"))
"""Settings that must stay secret; of tokens a configuration has hashes alone."""

LONG_SECRET = 32
"""Characters: 128 random bits in hexadecimal."""

log = structlog.stdlib.get_logger("coterie")


def report_start(settings: Settings, node: GossipNode, listening: Address, etcd: Address | None) -> None:
    """One line for the log, on whose fields scripts may rely; on a terminal, what to do next."""
    _tell_gossip(settings, listening)
    _tell_openness(settings, [each for each in (listening, etcd) if each is not None and not is_loopback(each)])
    _tell_secrets(settings, listening)
    own = node.node
    public = own.gossip_advertise_addr
    scheme = "http" if settings.tls.certificate is None else "https"
    url = f"{scheme}://{listening if any(listening.packed) else public}/"
    log.info(
        "node started",
        url=url,
        node_id=own.node_id,
        generation=own.generation,
        cluster_id=settings.cluster_id,
        listen_addr=str(listening),
        public_addr=str(public),
        seeds=list(settings.seed),
        data_dir=str(settings.data_dir) if settings.data_dir else None,
        version=version("coterie"),
        **({} if etcd is None else {"etcd_addr": str(etcd)}),
    )
    if sys.stdout.isatty():
        console = f"    open the console  {url}ui/\n" if settings.console.enabled else ""
        sys.stdout.write(
            f"\n  A node of the cluster {settings.cluster_id!r} is up; Ctrl-C stops it. From another terminal:\n\n"
            f"    see the cluster   {shell_command()} status --address {url.removeprefix('http://').rstrip('/')}\n"
            f"{console}"
            f"    set a key         curl '{url}set_kv?key=hello&value=world'\n"
            f"    add a node        {shell_command()} --listen_addr {public._replace(port=0)} --seed {public}\n\n"
        )
        sys.stdout.flush()


def _tell_gossip(settings: Settings, listening: Address) -> None:
    """Loudly, at every start, where others than this machine's users can reach the node, and gossip is not sealed."""
    if not is_loopback(listening) and not (settings.keyring.keys and settings.keyring.plain == "refuse"):
        log.warning(
            f"gossip at {listening} is not sealed: whoever can send to it makes up nodes and keys, hides living ones, "
            "and reads all keys; set keyring.keys on all nodes where that must not be (docs/security.md)"
        )


def _tell_openness(settings: Settings, reached: Sequence[Address]) -> None:
    """Loudly, at every start, what those who reach these addresses may do without a token."""
    if not reached:
        return
    listening = " and ".join(map(str, reached))
    anonymous = settings.auth.anonymous
    if anonymous in {"read", "write", "admin"}:
        warning = (
            f"WITHOUT AUTHENTICATION whoever reaches {listening} may {_MAY[anonymous]} here: auth.anonymous is "
            f"{anonymous!r}; set it to none, and make a token with: {shell_command()} token new"
        )
    elif not settings.auth.tokens:
        warning = (
            f"requests to {listening} need a token: auth.anonymous allows nothing there, and auth.tokens holds none; "
            f"make one with: {shell_command()} token new"
        )
    else:
        return
    log.warning(warning)
    if sys.stdout.isatty():
        sys.stdout.write(f"\n  *** {warning} ***\n")


def _tell_secrets(settings: Settings, listening: Address) -> None:
    """Where others than this node's user can read the secrets of its file, and where one may be guessed."""
    if settings.config is not None:
        values = read_config_file(settings.config)
        named = [f"{table}.{name}" for table, name in SECRETS if values.get(table, {}).get(name)]
        mode = settings.config.stat().st_mode
        if named and mode & (stat.S_IRGRP | stat.S_IROTH):
            log.warning(
                f"others can read {settings.config}, which holds {' and '.join(named)}: chmod 600 it",
                mode=oct(stat.S_IMODE(mode)),
            )
    secret = settings.raft.secret
    if not is_loopback(listening) and secret is not None and len(secret.get_secret_value()) < LONG_SECRET:
        log.warning(
            f"raft.secret has fewer than {LONG_SECRET} characters: whoever reaches the port can try guesses elsewhere; "
            "draw one, such as with openssl rand -hex 32"
        )


def is_loopback(address: Address) -> bool:
    """Whether only this machine reaches it."""
    return ip_address(address.host).is_loopback
