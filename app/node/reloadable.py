"""Registers the parts of a node that take new settings while it runs."""

from __future__ import annotations

from coterie.app.api.cluster.leave import GracefulLeave
from coterie.app.node.reloading import Apply, Reloader, ReloadError
from coterie.app.node.storage.gossip_persistence import GossipPersistence
from coterie.app.observability.logs import configure_logs
from coterie.app.settings.settings import Settings
from coterie.gossip import GossipNode, KeyRefusedError, Plain


def register_node(
    reloader: Reloader, node: GossipNode, graceful_leave: GracefulLeave, persistence: GossipPersistence | None
) -> None:
    """Logs, seeds, the node's own keys, the keyring's keys, leaving, and how often keys are kept."""
    reloader.register(["log"], lambda settings: lambda: configure_logs(settings.log))
    reloader.register(["seed"], lambda settings: lambda: node.replace_seeds(settings.seed))
    reloader.register(["key_values"], lambda settings: _key_values(reloader, node, persistence, settings))
    reloader.register(["leave"], lambda settings: lambda: graceful_leave.take(settings.leave))
    if node.keyring is not None:  # switching it on or off changes the size of messages, which is an engine's for life
        reloader.register(["keyring"], lambda settings: _keyring(node, settings))
    if persistence is not None:
        reloader.register(
            ["persistence.interval", "persistence.max_peers"],
            lambda settings: lambda: persistence.take(settings.persistence),
        )


def _key_values(
    reloader: Reloader, node: GossipNode, persistence: GossipPersistence | None, settings: Settings
) -> Apply:
    old, new = reloader.settings.key_values, settings.key_values
    room = node.engine.config.max_keys_per_node - len(node.engine.own.key_values)
    if len(new.keys() - node.engine.own.key_values.keys()) > room:
        raise ReloadError(f"key_values: there is room for {room} more keys (gossip.max_keys_per_node); delete some")

    def apply() -> None:
        for key, value in old.items():
            held = node.engine.own.get(key)
            if key not in new and held is not None and held.value == value:
                node.delete(key)
        for key, value in new.items():
            if old.get(key) != value:
                node.set(key, value)
        if persistence is not None:
            persistence.configured = new

    try:
        for key, value in new.items():
            node.engine.check(key, value)
    except KeyRefusedError as error:
        raise ReloadError(f"key_values: {error}") from None
    return apply


def _keyring(node: GossipNode, settings: Settings) -> Apply:
    if not settings.keyring.keys:
        raise ReloadError("keyring.keys: sealing is switched off by a restart; leave a key there until then")
    keys = [key.get_secret_value() for key in settings.keyring.keys]

    def apply() -> None:
        if node.keyring is not None:
            node.keyring.replace(keys)
            node.keyring.plain = Plain(settings.keyring.plain)
            node.keyring.replay_window = settings.keyring.replay_window

    return apply
