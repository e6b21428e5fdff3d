"""What is said of settings that cannot be used: one line each, with the name as its author wrote it and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.app.settings.loading import BadSettingsError, load_settings

NO_ADDRESS = "is not an address: write ip:port or [ipv6]:port, such as 127.0.0.1:10000"
RESERVED = "keys under 'coterie/' are written by the node itself; choose another prefix"
NON_ASCII = (
    "key 'é' starts with a non-ASCII character, which stops every real chitchat node it reaches; start it with an "
    "ASCII character, or set allow_non_ascii_keys where the cluster has no such node"
)


def problems(**options: object) -> list[str]:
    with pytest.raises(BadSettingsError) as raised:
        load_settings(options)
    return raised.value.lines


def problems_of_file(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "node.toml"
    path.write_text(text, encoding="utf-8")
    return [line.replace(str(path), "node.toml") for line in problems(config=str(path))]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lisen_addr = 1", "lisen_addr in node.toml: unknown setting; did you mean listen_addr?"),
        (
            "[gossip]\nphi_treshold = 8",
            "gossip.phi_treshold in node.toml: unknown setting; did you mean gossip.phi_threshold?",
        ),
        ("phi_threshold = 8", "phi_threshold in node.toml: unknown setting; did you mean gossip.phi_threshold?"),
        ("[gossp]\nseed = 1", "gossp in node.toml: unknown setting; did you mean gossip?"),
        ("[weather]\nsunny = true", "weather in node.toml: unknown setting"),
        ('"odd key\\n" = 1', '"odd key\\n" in node.toml: unknown setting'),
        ('interval_ms = "soon"', "interval_ms in node.toml: must be a whole number, not 'soon'"),
        ("interval_ms = 0.5", "interval_ms in node.toml: must be a whole number, not 0.5"),
        ("interval_ms = true", "interval_ms in node.toml: must be a number, not true"),
        ("interval_ms = 0", "interval_ms in node.toml: must be greater than or equal to 1, not 0"),
        (
            "interval_ms = 10000",
            "interval_ms in node.toml: must be below gossip.max_interval = 10 s, or no node is ever taken for alive",
        ),
        ("node_id = 5", "node_id in node.toml: must be text, not 5"),
        ('node_id = ""', "node_id in node.toml: must not be empty"),
        ("cluster_id = ''", "cluster_id in node.toml: must not be empty"),
        (f"node_id = '{'é' * 513}'", "node_id in node.toml: must be at most 1024 bytes in UTF-8, not 1026"),
        (f"cluster_id = '{'x' * 1025}'", "cluster_id in node.toml: must be at most 1024 bytes in UTF-8, not 1025"),
        ("data_dir = ''", "data_dir in node.toml: must name a directory"),
        (
            "listen_addr = 'local host:10000'",
            f"listen_addr in node.toml: 'local host:10000' {NO_ADDRESS}",
        ),
        (
            "listen_addr = '127.0.0.1:70000'",
            "listen_addr in node.toml: '127.0.0.1:70000' has no port between 0 and 65535 after its last colon",
        ),
        ("listen_addr = 10000", "listen_addr in node.toml: must be text such as 127.0.0.1:10000, not 10000"),
        (
            "public_addr = '10.0.0:1'",
            f"public_addr in node.toml: '10.0.0:1' {NO_ADDRESS}",
        ),
        (
            "seed = ['127.0.0.1:1', '127.0.0.1']",
            "seed in node.toml: '127.0.0.1' is neither ip:port, [ipv6]:port nor host:port",
        ),
        (
            "seed = ['127.0.0.1:0']",
            "seed in node.toml: '127.0.0.1:0' has port 0, on which no node can be reached",
        ),
        ("seed = 5", 'seed in node.toml: must be a list such as ["127.0.0.1:10001"], not 5'),
        ("seed = [5]", "seed in node.toml: must be text, not 5"),
        ("gossip = 3", "gossip in node.toml: must be a table, not 3"),
        ("key_values = 3", "key_values in node.toml: must be a table, not 3"),
        ("[key_values]\na = 1", "key_values.a in node.toml: must be text, not 1"),
        ("[key_values]\n'' = 'x'", 'key_values."" in node.toml: a key must not be empty'),
        (
            "[key_values]\n'coterie/x' = ''",
            f'key_values."coterie/x" in node.toml: {RESERVED}',
        ),
        (
            "[key_values]\n'zoë' = 'x'\n'é' = 'x'",
            f'key_values."é" in node.toml: {NON_ASCII}',
        ),
        (
            f"[key_values]\na = '{'x' * 16_384}'",
            "key_values.a in node.toml: key and value take 16385 bytes, above max_key_value_bytes = 16384",
        ),
        (
            "gossip.max_keys_per_node = 1\n[key_values]\na = ''\nb = ''",
            "key_values.b in node.toml: this node holds max_keys_per_node = 1 keys, counting those not yet collected",
        ),
        ("[gossip]\nmax_interval = -1", "gossip.max_interval in node.toml: must be greater than 0, not -1"),
        ("[gossip]\nmax_interval = inf", "gossip.max_interval in node.toml: must be a finite number, not inf"),
        ("[gossip]\nmax_interval = '1s'", "gossip.max_interval in node.toml: must be a number, not '1s'"),
        (
            "[gossip]\nmax_key_value_bytes = 60001",
            "gossip.max_key_value_bytes in node.toml: must be at most 60000",
        ),
        (
            "[gossip]\nmax_datagram_bytes = 60000",
            "gossip.max_digest_bytes in node.toml: must be at least 4,096 below max_datagram_bytes",
        ),
        (
            "[gossip]\nallow_non_ascii_keys = 'perhaps'",
            "gossip.allow_non_ascii_keys in node.toml: must be true or false, not 'perhaps'",
        ),
        (
            "[log]\nlevel = 'loud'",
            "log.level in node.toml: must be 'debug', 'info', 'warning' or 'error', not 'loud'",
        ),
        *[
            (f"data_dir = 'd'\n{top}\n[raft]\nenabled = true\n{text}", f"raft.{line}")
            for top, text, line in [
                ("", "bootstrap_expect = 2", "bootstrap_expect in node.toml: must be 1, 3 or 5, not 2"),
                ("", "bootstrap_expect = '3 nodes'", "bootstrap_expect in node.toml: must be 1, 3 or 5, not '3 nodes'"),
                ("", "max_voters = 9", "max_voters in node.toml: must be 1, 3, 5 or 7, not 9"),
                ("", "min_voters = 6", "min_voters in node.toml: must be at most raft.max_voters = 5"),
                (
                    "",
                    "bootstrap_expect = 5\nmax_voters = 3",
                    "bootstrap_expect in node.toml: 5 nodes found the cluster, above raft.max_voters = 3",
                ),
                ("", "founders = ['a', 'b']", "founders in node.toml: must name 1, 3 or 5 nodes, not 2"),
                ("", "founders = ['a', 'a', 'b']", "founders in node.toml: must name each node once"),
                (
                    "",
                    "founders = ['a']\nbootstrap_expect = 1",
                    "founders in node.toml: and raft.bootstrap_expect exclude each other; set one of them",
                ),
                (
                    "listen_addr = '127.0.0.1:65000'",
                    "",
                    "listen_addr: the port of listen_addr 127.0.0.1:65000 + 1000 is no port; set raft.listen_addr",
                ),
                (
                    "",
                    "listen_addr = '127.0.0.1:10000'",
                    "listen_addr in node.toml: 127.0.0.1:10000 is the node's own listen_addr; choose another port",
                ),
                (
                    "",
                    "listen_addr = '0.0.0.0:11000'\nsecret = '0123456789abcdef'",
                    (
                        "listen_addr in node.toml: other nodes cannot connect to 0.0.0.0:11000; set raft.public_addr "
                        "to where they reach this node"
                    ),
                ),
                (
                    "",
                    "public_addr = '0.0.0.0'",
                    "public_addr in node.toml: 0.0.0.0 is no address to connect to; give this machine's own",
                ),
                (
                    "listen_addr = '192.0.2.1:10000'",
                    "",
                    (
                        "secret: must be set where others can connect to 192.0.2.1:11000; generate one, such as with "
                        "openssl rand -hex 32, and set it on all nodes"
                    ),
                ),
                ("", "secret = 'short'", "secret in node.toml: must be text of at least 16 characters"),
                (
                    "",
                    "election_timeout = 0.3",
                    "election_timeout in node.toml: must be at least 4 times raft.heartbeat_interval",
                ),
                (
                    "",
                    "compact_bytes = 6_000_000\nmax_log_bytes = 10_000_000",
                    "compact_bytes in node.toml: must be at most half of raft.max_log_bytes = 10000000",
                ),
                (
                    "",
                    "max_log_bytes = 1",
                    "max_log_bytes in node.toml: must be greater than or equal to 8388608, not 1",
                ),
                (
                    "",
                    "request_timeout = 61",
                    "request_timeout in node.toml: must be at most raft.max_request_timeout = 60 s",
                ),
            ]
        ],
        (
            "raft.enabled = true",
            (
                "raft.enabled in node.toml: needs data_dir: a member keeps its log and its vote on disk; set data_dir "
                "to a directory of this node"
            ),
        ),
        (
            "config = 'other.toml'",
            "config in node.toml: a file cannot name another one; use --config or COTERIE_CONFIG",
        ),
        ("interval_ms = x", "node.toml: not valid TOML: Invalid value (at line 1, column 15)"),
    ],
)
def test_a_file_is_told_its_problem(text: str, line: str, tmp_path: Path) -> None:
    told = problems_of_file(tmp_path, text)
    if line.startswith("gossip.max_digest_bytes"):
        # The default contradicts what the file says: no file names it.
        line = line.replace(" in node.toml", "")
    assert told == [line]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert problems(config=str(tmp_path / "absent.toml")) == [f"{tmp_path}/absent.toml: No such file or directory"]
    assert problems(config=str(tmp_path)) == [f"{tmp_path}: Is a directory"]
    (tmp_path / "latin.toml").write_bytes(b"node_id = '\xe9'")
    assert problems(config=str(tmp_path / "latin.toml")) == [f"{tmp_path}/latin.toml: not UTF-8 text (byte 11)"]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("COTERIE_SEDE", "x", "COTERIE_SEDE: unknown environment variable; did you mean COTERIE_SEED?"),
        (
            "COTERIE_GOSSIP__PHI_TRESHOLD",
            "8",
            "COTERIE_GOSSIP__PHI_TRESHOLD: unknown environment variable; did you mean COTERIE_GOSSIP__PHI_THRESHOLD?",
        ),
        (
            "COTERIE_PHI_THRESHOLD",
            "8",
            "COTERIE_PHI_THRESHOLD: unknown environment variable; did you mean COTERIE_GOSSIP__PHI_THRESHOLD?",
        ),
        ("COTERIE_WEATHER", "", "COTERIE_WEATHER: unknown environment variable"),
        ("COTERIE_PORT", "10000", "COTERIE_PORT: unknown environment variable"),
        ("COTERIE_INTERVAL_MS", "soon", "COTERIE_INTERVAL_MS: must be a whole number, not 'soon'"),
        ("COTERIE_SEED", "a", "COTERIE_SEED: 'a' is neither ip:port, [ipv6]:port nor host:port"),
        ("COTERIE_GOSSIP__MAX_INTERVAL", "0", "COTERIE_GOSSIP__MAX_INTERVAL: must be greater than 0, not '0'"),
        ("COTERIE_GOSSIP__DROP_UNSOLICITED", "x", "COTERIE_GOSSIP__DROP_UNSOLICITED: must be true or false, not 'x'"),
        ("COTERIE_KEY_VALUES", "{", 'COTERIE_KEY_VALUES: must be a JSON object such as {"zone": "a"}'),
        ("COTERIE_KEY_VALUES", "[1]", "COTERIE_KEY_VALUES: must be a table, not [1]"),
        ("COTERIE_KEY_VALUES", '{"": "x"}', "COTERIE_KEY_VALUES: a key must not be empty"),
        ("COTERIE_NODE_ID", "a\udcff", "COTERIE_NODE_ID: must be text in UTF-8"),
        (
            "COTERIE_KEY_VALUES__A",
            "b",
            "COTERIE_KEY_VALUES__A: unknown environment variable; set COTERIE_KEY_VALUES to a JSON object",
        ),
    ],
)
def test_the_environment_is_told_its_problem(name: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    told = problems()
    assert told[0].startswith(line)
    assert len(told) == 1


@pytest.mark.parametrize("value", ["1", "{}", "{"])
def test_a_table_is_not_set_as_a_whole_by_one_variable(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_GOSSIP", value)
    line = "COTERIE_GOSSIP: unknown environment variable; set one variable a key: COTERIE_GOSSIP__<KEY>"
    assert problems() == [line]


def test_the_command_line_is_told_its_problem() -> None:
    assert problems(interval_ms="soon", seed=["127.0.0.1:1", "x"], node_id="") == [
        "--node_id: must not be empty",
        "--seed: 'x' is neither ip:port, [ipv6]:port nor host:port",
        "--interval_ms: must be a whole number, not 'soon'",
    ]


def test_the_source_that_counts_is_the_one_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node.toml").write_text("interval_ms = 'a'\n")
    config = str(tmp_path / "node.toml")
    assert problems(config=config) == [f"interval_ms in {config}: must be a whole number, not 'a'"]
    monkeypatch.setenv("COTERIE_INTERVAL_MS", "b")
    assert problems(config=config) == ["COTERIE_INTERVAL_MS: must be a whole number, not 'b'"]
    assert problems(config=config, interval_ms="c") == ["--interval_ms: must be a whole number, not 'c'"]


def test_every_problem_gets_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_SEDE", "x")
    lines = problems_of_file(tmp_path, "interval_ms = 'a'\nlisten = 1\n[gossip]\nphi = 1\n")
    assert [line.split(":")[0] for line in lines] == [
        "COTERIE_SEDE",
        "interval_ms in node.toml",
        "gossip.phi in node.toml",
        "listen in node.toml",
    ]


@pytest.mark.parametrize("everywhere", ["0.0.0.0:10000", "[::]:10000"])
def test_listening_everywhere_asks_for_the_public_address(everywhere: str) -> None:
    fix = "set public_addr (--public_addr) to where they reach this node"
    assert problems(listen_addr=everywhere) == [f"--listen_addr: other nodes cannot send to {everywhere}; {fix}"]


def test_the_public_address_must_be_one_that_others_can_send_to() -> None:
    assert problems(listen_addr="0.0.0.0:1", public_addr="0.0.0.0:1") == [
        "--public_addr: 0.0.0.0 is no address that other nodes can send to; give this machine's own"
    ]
    assert problems(listen_addr="0.0.0.0:1", public_addr="[2001:db8::1]:1") == [
        "--public_addr: [2001:db8::1]:1 and listen_addr 0.0.0.0:1 must both be IPv4 or both be IPv6"
    ]
