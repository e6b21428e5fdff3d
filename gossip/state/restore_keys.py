"""Restores the keys of an earlier generation into a new one, after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coterie.gossip.config import GossipConfig
from coterie.gossip.errors import KeyRefusedError
from coterie.gossip.state.key_rules import check_key_value
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.key_value import SET, KeyStatus, KeyValue, held_bytes


def restore_keys(
    own: NodeState,
    config: GossipConfig,
    saved: Iterable[tuple[str, str, int, KeyStatus, float]],
    max_version: int,
    now: float,
    spare: int,
) -> Mapping[str, str]:
    """See `Engine.restore_keys`."""
    refused: dict[str, str] = {}
    own.max_version = max_version
    grace = config.marked_for_deletion_grace_period
    for key, value, version, status, since in saved:
        if status != SET and now - since >= grace:
            continue
        try:
            check_key_value(key, value, config)
        except KeyRefusedError as error:
            refused[key] = str(error)
            continue
        if len(own.key_values) >= config.max_keys_per_node - spare:
            refused[key] = f"there are max_keys_per_node = {config.max_keys_per_node} keys already"
            continue
        if own.held_bytes + held_bytes(key, value) > config.max_node_bytes:
            refused[key] = f"the keys would take more than max_node_bytes = {config.max_node_bytes}"
            continue
        own.put(KeyValue.make(key, value, version, status), since)
        own.max_version = max(own.max_version, version)
    if own.expiring is not None:
        own.expiring = dict(sorted(own.expiring.items(), key=lambda item: item[1]))
    return refused
