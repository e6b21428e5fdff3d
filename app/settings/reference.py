"""Writes `configs/reference.toml` from the settings: `python -m coterie.app.settings.reference`, or `make configs`."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from coterie.app.settings.settings import Settings
from coterie.app.settings.types import Unit
from coterie.gossip import Address

WIDTH = 110

HEADER = """\
# Every setting of a node, with its default, unit and meaning. Copy what you change: what is left out has its default.
# Generated from the settings themselves (make configs); "#" and a blank begin a remark, "#" alone a setting.
#
# Use it:        coterie --config FILE, or COTERIE_CONFIG=FILE
# Precedence:    command line, then environment, then this file, then defaults
# Environment:   COTERIE_ and the name in capitals, two underscores after a table: COTERIE_INTERVAL_MS,
#                COTERIE_GOSSIP__PHI_THRESHOLD. An empty variable counts as unset. COTERIE_SEED takes seeds separated by
#                commas or blanks, or a JSON array.
# Command line:  --listen_addr, --public_addr, --node_id, --seed, --interval_ms
#
# An unknown name or a bad value stops the start with a line that names it.
#
# cluster_id, gossip.dead_node_grace_period and gossip.marked_for_deletion_grace_period must be EQUAL ON ALL NODES of a
# cluster; interval_ms should be.
"""

EXAMPLES: Mapping[str, str] = {
    "keyring.keys": 'keys = ["base64 of 32 random bytes", "base64 of 32 others"]',
    "raft.bootstrap_expect": "bootstrap_expect = 3",
    "raft.founders": 'founders = ["node1", "node2", "node3"]',
    "raft.listen_addr": 'listen_addr = "127.0.0.1:11000"',
    "raft.public_addr": 'public_addr = "192.0.2.10:11000"',
    "raft.secret": 'secret = "at least 16 characters, the same on all nodes"',
    "public_addr": 'public_addr = "192.0.2.10:10000"',
    "node_id": 'node_id = "node1"',
    "seed": 'seed = ["192.0.2.10:10000", "seeds.example.net:10000"]',
    "data_dir": 'data_dir = "/var/lib/coterie"',
    "auth.tokens": 'tokens = [{ id = "admin", hash = "sha256:HASH", rules = [{ layer = "*", action = "admin" }] }]',
    "auth.audit_file": 'audit_file = "/var/log/coterie/audit.jsonl"',
    "tls.certificate": 'certificate = "/etc/coterie/node.pem"',
    "tls.key": 'key = "/etc/coterie/node.key"',
    "tls.ca": 'ca = "/etc/coterie/ca.pem"',
    "tls.node_name": 'node_name = "node.coterie.internal"',
    "http.allowed_hosts": 'allowed_hosts = ["coterie.example.net", "*.coterie.svc.cluster.local"]',
    "http.allowed_origins": 'allowed_origins = ["https://console.example.net"]',
    "etcd.listen_addr": 'listen_addr = "127.0.0.1:2379"',
    "tracing.endpoint": 'endpoint = "http://127.0.0.1:4318/v1/traces"',
    "key_values": 'zone = "a"',
}


def reference() -> str:
    """The file's text."""
    return HEADER + "".join(_sections())


def _sections() -> Iterator[str]:
    tables: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, BaseModel | dict):
            tables[name] = field
        elif not field.exclude:
            yield _entry(name, field)
    for name, field in tables.items():
        yield f"\n\n[{name}]\n"
        if isinstance(field.default, BaseModel):
            about = (type(field.default).__doc__ or "").strip()
            yield _remark(about)
            for key, key_field in type(field.default).model_fields.items():
                yield _entry(key, key_field, table=name)
        else:
            yield _remark(field.description or "")
            yield f"# Example: {EXAMPLES[name]}\n"


def _entry(name: str, field: FieldInfo, table: str = "") -> str:
    lines = ["\n", _remark(field.description or "")]
    lines += [f"# Unit: {item.name}\n" for item in field.metadata if isinstance(item, Unit)]
    dotted = f"{table}.{name}" if table else name
    if dotted in EXAMPLES:
        lines.append(f"# Example: {EXAMPLES[dotted]}\n")
    if field.default is not None:
        lines.append(f"#{name} = {_toml(field.default)}\n")
    return "".join(lines)


def _remark(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(" ".join(text.split()), WIDTH - 2, break_on_hyphens=False))


def _toml(value: Any) -> str:
    """A TOML value; JSON writes text, numbers, truth values and lists of them alike."""
    return json.dumps(str(value) if isinstance(value, Address) else value)


if __name__ == "__main__":
    sys.stdout.write(reference())
