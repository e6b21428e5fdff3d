"""Where settings come from: each source beats the one before it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from coterie.app.settings.loading import load_settings, setting_paths, variable
from coterie.app.settings.settings import Settings
from coterie.app.settings.tables import GossipSettings
from coterie.gossip import Address, GossipConfig


def file_with(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "node.toml"
    path.write_text(text, encoding="utf-8")
    return {"config": str(path)}


def test_without_any_source_the_defaults_are_the_documented_ones() -> None:
    settings = load_settings({})
    assert settings.listen_addr == Address("127.0.0.1", 10_000)
    assert (settings.public_addr, settings.node_id, settings.data_dir) == (None, None, None)
    assert settings.seed == ()
    assert settings.interval_ms == 500
    assert settings.cluster_id == "testing"
    assert settings.key_values == {}
    assert (settings.log.level, settings.log.format) == ("info", "auto")


def test_gossip_defaults_are_those_of_the_protocol() -> None:
    assert Settings().gossip_config() == GossipConfig()


def test_every_setting_of_the_protocol_can_be_set() -> None:
    top_level = {"cluster_id", "gossip_interval"}
    assert set(GossipSettings.model_fields) == {f.name for f in fields(GossipConfig)} - top_level


def test_a_file_beats_the_defaults(tmp_path: Path) -> None:
    options = file_with(
        tmp_path,
        """
        listen_addr = "127.0.0.1:7000"
        seed = ["127.0.0.1:7001", "seeds.example.net:7002"]
        interval_ms = 250
        cluster_id = "blue"
        [gossip]
        phi_threshold = 9
        """,
    )
    settings = load_settings(options)
    assert settings.listen_addr == Address("127.0.0.1", 7000)
    assert settings.seed == ("127.0.0.1:7001", "seeds.example.net:7002")
    config = settings.gossip_config()
    assert (config.gossip_interval, config.cluster_id, config.phi_threshold) == (0.25, "blue", 9.0)
    assert config.initial_interval == GossipConfig().initial_interval


def test_the_environment_beats_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = file_with(tmp_path, "interval_ms = 250\n[gossip]\nphi_threshold = 9.0\nmax_interval = 20.0\n")
    monkeypatch.setenv("COTERIE_INTERVAL_MS", "100")
    monkeypatch.setenv("COTERIE_GOSSIP__PHI_THRESHOLD", "7.5")
    settings = load_settings(options)
    assert settings.interval_ms == 100
    assert settings.gossip.phi_threshold == 7.5
    assert settings.gossip.max_interval == 20.0


def test_the_command_line_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_INTERVAL_MS", "100")
    monkeypatch.setenv("COTERIE_SEED", "127.0.0.1:1")
    monkeypatch.setenv("COTERIE_NODE_ID", "from-environment")
    settings = load_settings({"interval_ms": "50", "seed": ["127.0.0.1:2"]})
    assert settings.interval_ms == 50
    assert settings.seed == ("127.0.0.1:2",)
    assert settings.node_id == "from-environment"


def test_the_command_line_beats_a_file(tmp_path: Path) -> None:
    options = file_with(tmp_path, 'listen_addr = "127.0.0.1:7000"\nseed = ["127.0.0.1:1"]\n')
    settings = load_settings({**options, "listen_addr": "127.0.0.1:8000"})
    assert settings.listen_addr == Address("127.0.0.1", 8000)
    assert settings.seed == ("127.0.0.1:1",)


def test_the_environment_can_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_CONFIG", file_with(tmp_path, "interval_ms = 250\n")["config"])
    assert load_settings({}).interval_ms == 250
    other = tmp_path / "other.toml"
    other.write_text("interval_ms = 300\n")
    assert load_settings({"config": str(other)}).interval_ms == 300


def test_every_setting_has_a_variable_that_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "listen_addr": "127.0.0.1:1",
        "public_addr": "127.0.0.1:2",
        "seed": "127.0.0.1:3",
        "key_values": '{"a": "b"}',
        "data_dir": "somewhere",
        "level": "debug",
        "format": "json",
        "allow_non_ascii_keys": "true",
        "drop_unsolicited": "true",
        "protocol_version": "1",
        "max_datagram_bytes": "65000",
        "enabled": "true",
        "advertise_urls": "http://10.0.0.1:2379",
        "persistence.enabled": "false",
        "on_sigterm": "stop",
        "keys": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "plain": "send",
        "bootstrap_expect": "3",
        "founders": "node1,node2, node3",
        "secret": "0123456789abcdef",
        "min_voters": "4",
        "max_delta_bytes": "200000",
        "heartbeat_interval": "0.05",
        "compact_bytes": "1000000",
        "max_log_bytes": "200000000",
        "anonymous": "none",
        "client_certificates": "required",
        "minimum_version": "1.3",
        "raft": "false",
        "console.enabled": "false",
        "tokens": '[{"id": "a", "hash": "sha256:%s", "rules": [{"layer": "*", "action": "admin"}]}]' % ("0" * 64),
        "audit_file": "audit.jsonl",
        "allowed_origins": "https://a.example.net,*",
        "endpoint": "http://127.0.0.1:4318/v1/traces",
        "sample_ratio": "0.5",
    }
    needed: dict[tuple[str, ...], tuple[str, ...]] = {
        ("raft", "enabled"): ("data_dir",),
        ("tls", "certificate"): ("tls", "key"),
        ("tls", "key"): ("tls", "certificate"),
    }
    default = Settings()
    for path in setting_paths():
        for needs in (path, needed.get(path)):
            if needs:
                value = values.get(".".join(needs), values.get(needs[-1], "7"))
                monkeypatch.setenv(variable(needs), value)
        settings, unset = load_settings({}), default
        for name in path:
            settings, unset = getattr(settings, name), getattr(unset, name)
        assert settings != unset, path
        for needs in (path, needed.get(path)):
            if needs:
                monkeypatch.delenv(variable(needs))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:1,localhost:2",
        "127.0.0.1:1 localhost:2",
        " 127.0.0.1:1,\tlocalhost:2, ",
        '["127.0.0.1:1", "localhost:2"]',
    ],
)
def test_seeds_in_the_environment_are_a_list(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_SEED", text)
    assert load_settings({}).seed == ("127.0.0.1:1", "localhost:2")


def test_an_ipv6_seed_in_the_environment_is_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_SEED", "[::1]:3,[::1]:4")
    assert load_settings({}).seed == ("[::1]:3", "[::1]:4")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COTERIE_NODE_ID", "COTERIE_SEED", "COTERIE_INTERVAL_MS", "COTERIE_CONFIG", "COTERIE_LOG__LEVEL"):
        monkeypatch.setenv(name, "")
    assert load_settings({}) == Settings()


def test_initial_key_values_keep_their_order_and_are_replaced_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = file_with(tmp_path, '[key_values]\nzebra = "1"\napple = "2"\n"a.b/c" = "3"\n')
    assert list(load_settings(options).key_values.items()) == [("zebra", "1"), ("apple", "2"), ("a.b/c", "3")]
    monkeypatch.setenv("COTERIE_KEY_VALUES", '{"apple": "9", "Mango": "4"}')
    assert load_settings(options).key_values == {"apple": "9", "Mango": "4"}


@pytest.mark.parametrize(
    "name",
    [
        "COTERIE_SERVICE_HOST",
        "COTERIE_SERVICE_PORT",
        "COTERIE_SERVICE_PORT_HTTP",
        "COTERIE_PORT_10000_TCP",
        "COTERIE_PORT_10000_TCP_ADDR",
        "COTERIE_PORT_10000_UDP_PROTO",
        "COTERIE_HEADLESS_SERVICE_HOST",
    ],
)
def test_what_kubernetes_sets_for_a_service_of_this_name_is_ignored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_PORT", "tcp://10.96.0.12:10000")
    monkeypatch.setenv("COTERIE_HTTP_PORT", "udp://10.96.0.12:10000")
    monkeypatch.setenv(name, "10.96.0.12")
    assert load_settings({}) == Settings()


def test_a_public_address_may_leave_the_port_to_the_listen_address() -> None:
    for text in ("192.0.2.1", "192.0.2.1:0"):
        assert load_settings({"public_addr": text}).public_addr == Address("192.0.2.1", 0)
    listening = {"listen_addr": "[::]:1"}
    for text in ("2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:0"):
        assert load_settings({**listening, "public_addr": text}).public_addr == Address("2001:db8::1", 0)
    assert load_settings({"public_addr": "192.0.2.1:80"}).public_addr == Address("192.0.2.1", 80)


def test_a_home_directory_is_spelled_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COTERIE_DATA_DIR", "~/node")
    assert load_settings({}).data_dir == tmp_path / "node"
