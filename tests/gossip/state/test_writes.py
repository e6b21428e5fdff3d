"""What a node refuses to write or to start with, naming the limit (gossip spec 6, 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coterie.gossip import (
    RESERVED_PREFIX,
    Address,
    ConfigError,
    Engine,
    GossipConfig,
    KeyRefusedError,
    KeyTooLargeError,
    KeyValue,
    NodeId,
    ReservedKeyError,
    TooManyKeysError,
)
from tests.gossip.helpers import DELETE, SET, TTL, contents, make_engine, node

WRITES: list[Callable[[Engine, str], object]] = [
    lambda e, key: e.set(key, "v", 0.0),
    lambda e, key: e.set_with_ttl(key, "v", 0.0),
    lambda e, key: e.delete(key, 0.0),
    lambda e, key: e.delete_after_ttl(key, 0.0),
]

every_write = pytest.mark.parametrize("write", WRITES, ids=["set", "set_with_ttl", "delete", "delete_after_ttl"])


def untouched(engine: Engine) -> bool:
    return engine.own.max_version == 0 and not engine.own.key_values and not engine.take_events()


def test_writes_return_the_new_version_or_none_where_nothing_changes() -> None:
    engine = make_engine()
    assert engine.set("k", "v", 0.0) == KeyValue.make("k", "v", 1, SET)
    assert engine.set("k", "v", 0.0) is None
    assert engine.set_with_ttl("k", "v", 0.0) == KeyValue.make("k", "v", 2, TTL)
    assert engine.delete_after_ttl("k", 0.0) == KeyValue.make("k", "v", 3, TTL)
    assert engine.delete("k", 0.0) == KeyValue.make("k", "", 4, DELETE)
    assert engine.delete_after_ttl("k", 0.0) is None
    assert engine.delete("absent", 0.0) is None
    assert contents(engine.own) == [("k", "", 4, DELETE)]


@every_write
@pytest.mark.parametrize("key", ["é", "日本", "🦀k", "\x80"])
def test_keys_that_start_with_a_non_ascii_character_are_refused(write: Callable[..., object], key: str) -> None:
    engine = make_engine()
    with pytest.raises(KeyRefusedError, match="non-ASCII") as raised:
        write(engine, key)
    assert raised.value.limit == "allow_non_ascii_keys"
    assert untouched(engine)


def test_a_setting_allows_non_ascii_keys_and_elsewhere_in_a_key_they_are_no_matter() -> None:
    assert make_engine(allow_non_ascii_keys=True).set("é", "v", 0.0)
    assert make_engine().set("ké", "é", 0.0)
    assert make_engine().set("", "empty keys are legal", 0.0)


@every_write
def test_reserved_keys_are_written_by_the_node_alone(write: Callable[..., object]) -> None:
    engine = make_engine()
    for key in (RESERVED_PREFIX, "coterie/x"):
        with pytest.raises(ReservedKeyError) as raised:
            write(engine, key)
        assert raised.value.limit == "reserved_prefix"
    assert untouched(engine)
    assert engine.set("coterie/x", "v", 0.0, internal=True)
    assert engine.delete("coterie/x", 0.0, internal=True)
    assert engine.set("coterie", "v", 0.0)


def test_key_and_value_together_are_limited_in_bytes() -> None:
    engine = make_engine()
    assert engine.set("k", "v" * 16_383, 0.0)
    assert engine.set("k", "é" * 8_191, 0.0)
    for key, value in (("k", "v" * 16_384), ("kk", "v" * 16_383), ("k", "é" * 8_192), ("k" * 16_385, "")):
        with pytest.raises(KeyTooLargeError) as raised:
            engine.set(key, value, 0.0)
        assert raised.value.limit == "max_key_value_bytes"
        with pytest.raises(KeyTooLargeError):
            engine.set_with_ttl(key, value, 0.0)
    assert engine.own.max_version == 2


def test_the_limit_goes_up_to_60_000_and_such_a_value_can_be_sent() -> None:
    engine = make_engine(max_key_value_bytes=60_000)
    assert engine.set("k", "v" * 59_999, 0.0)
    with pytest.raises(KeyTooLargeError):
        engine.set("k", "v" * 60_000, 0.0)
    with pytest.raises(ConfigError, match="max_key_value_bytes"):
        GossipConfig(max_key_value_bytes=60_001)


def test_text_that_utf_8_cannot_encode_is_refused() -> None:
    engine = make_engine()
    for key, value in (("k", "\ud800"), ("k\udfff", "v")):
        with pytest.raises(KeyRefusedError):
            engine.set(key, value, 0.0)
    assert untouched(engine)


def test_a_node_holds_max_keys_per_node_keys_tombstones_included() -> None:
    engine = make_engine(max_keys_per_node=2, marked_for_deletion_grace_period=10.0)
    engine.set("a", "1", 0.0)
    engine.set("b", "1", 0.0)
    engine.delete("b", 0.0)
    with pytest.raises(TooManyKeysError) as raised:
        engine.set("c", "1", 0.0)
    assert raised.value.limit == "max_keys_per_node"
    assert engine.set("a", "2", 0.0)
    assert engine.set("b", "2", 0.0)
    engine.delete("b", 0.0)
    engine.round(10.0)
    assert engine.set("c", "1", 10.0)


@pytest.mark.parametrize(
    ("key_values", "error"),
    [
        ([("é", "v")], KeyRefusedError),
        ([("coterie/x", "v")], ReservedKeyError),
        ([("k", "v" * 20_000)], KeyTooLargeError),
        ([("a", "1"), ("b", "2"), ("c", "3")], TooManyKeysError),
    ],
)
def test_initial_key_values_keep_the_same_limits(key_values: list[tuple[str, str]], error: type[Exception]) -> None:
    with pytest.raises(error):
        make_engine(key_values=key_values, max_keys_per_node=2)


def test_ids_are_limited_to_1_024_bytes() -> None:
    assert make_engine(node("n" * 1_024)).own.id.node_id == "n" * 1_024
    for name in ("n" * 1_025, "é" * 513):
        with pytest.raises(ConfigError, match="node_id") as raised:
            make_engine(NodeId(name, 1, Address("127.0.0.1", 1)))
        assert raised.value.field == "node_id"
        with pytest.raises(ConfigError, match="cluster_id"):
            GossipConfig(cluster_id=name)
    assert GossipConfig(cluster_id="é" * 512).cluster_id == "é" * 512


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gossip_interval", 0.0),
        ("gossip_interval", float("nan")),
        ("phi_threshold", float("inf")),
        ("gossip_fanout", 0),
        ("max_known_nodes", -1),
        ("stranger_bytes_per_second", 0),
        ("max_datagram_bytes", 65_508),
        ("max_digest_bytes", 65_507),
        ("max_digest_bytes", 61_412),
    ],
)
def test_a_setting_that_cannot_work_is_named(field: str, value: float) -> None:
    settings: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError) as raised:
        GossipConfig(**settings)
    assert raised.value.field == field
    assert str(raised.value).startswith(field)
