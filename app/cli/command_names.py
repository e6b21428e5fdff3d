"""Which commands there are: the one table that needs nothing else, for the bare command line knows them by it."""

from __future__ import annotations

from typing import NamedTuple


class Named(NamedTuple):
    module: str
    """Has the command, as `command`."""
    about: str
    """In a few words."""


COMMANDS = {
    "status": Named("coterie.app.cli.cluster.status", "The cluster at a glance, and what is not well"),
    "members": Named("coterie.app.cli.cluster.members", "The nodes of the cluster"),
    "kv": Named("coterie.app.cli.keys.kv", "The gossip layer's keys: get, put, delete, list, watch"),
    "meta": Named("coterie.app.cli.keys.meta", "The metadata's keys: get, put, delete, list, transactions, watch"),
    "lock": Named("coterie.app.cli.locks.lock", "Run a command while holding a lock, or one of several permits"),
    "elect": Named("coterie.app.cli.locks.elect", "Run a command while leading; tell who leads"),
    "locks": Named("coterie.app.cli.locks.locks", "Who holds which lock, and who waits"),
    "lease": Named("coterie.app.cli.locks.lease", "Leases: list, make, renew, end"),
    "raft": Named("coterie.app.cli.cluster.raft", "The Raft layer: members, leadership, decisions"),
    "events": Named("coterie.app.cli.cluster.events", "Follow what happens in the cluster"),
    "token": Named("coterie.app.cli.cluster.token", "Make, list, replace and revoke tokens"),
    "leave": Named("coterie.app.cli.cluster.leave", "Take a running node out of its cluster"),
    "backup": Named("coterie.app.cli.cluster.backup", "Save the metadata of a running cluster to a file"),
    "bench": Named("coterie.app.cli.bench.bench", "A quick load against a running cluster"),
    "recover": Named("coterie.app.cli.local.recover", "After a lost majority, or to restore a backup of the metadata"),
    "check-config": Named("coterie.app.cli.local.check_config", "Check the settings without starting a node"),
    "schema": Named("coterie.app.cli.local.schema", "The JSON Schema of what a command prints with --json"),
    "completion": Named("coterie.app.cli.local.completion", "What makes a shell complete these commands"),
    "help": Named("coterie.app.cli.local.help", "Help for a command, or on exit codes and the client file"),
}

COLUMNS = 15


def list_commands() -> str:
    """For the end of the bare command line's help."""
    return "".join(f"    {name:<{COLUMNS}} {each.about}\n" for name, each in COMMANDS.items())
