"""What commands that ask no node print with `--json`; with `answers.py` the types behind `coterie schema`."""

from __future__ import annotations

from typing import Any

import msgspec


class RecoveredCluster(msgspec.Struct, frozen=True):
    """The new cluster."""

    member_id: str
    """Its only member: this node."""
    cluster_id: str
    keys: int
    revision: int
    set_aside: str | None
    """Where the old files are now; null where there were none."""


class Recovery(msgspec.Struct, frozen=True):
    """What `coterie recover` did, or would do."""

    source: str
    """The backup or the directory from which a new cluster is made."""
    done: RecoveredCluster | None
    """Null without `--yes`: nothing was done."""


class ConfiguredToken(msgspec.Struct, frozen=True):
    """What `coterie token new` made."""

    id: str
    token: str
    """Shown this once."""
    hash: str
    """For the setting `auth.tokens` of each node."""


class Setting(msgspec.Struct, frozen=True):
    """A setting of a node."""

    name: str
    """With its table: `gossip.phi_threshold`."""
    value: Any
    """As TOML has it; secrets are `(secret)`, and null is a setting that is not set."""
    source: str
    """The option, the variable, the file, or `default`."""


class EffectiveSettings(msgspec.Struct, frozen=True):
    """What the settings come to."""

    settings: tuple[Setting, ...]
