"""Every setting of a node: its name, type, default, unit and meaning.

Sources, later beating earlier: defaults, TOML file, environment (`COTERIE_*`), command line. `app/settings_loading.py`
reads them and words what is wrong with them; `configs/reference.toml` is generated from the docstrings here.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gossip import MAX_ID_BYTES, Address, ConfigError, GossipConfig, Seed

ENV_PREFIX = "COTERIE_"
ENV_NESTED_DELIMITER = "__"

RAFT_PORT_OFFSET = 1_000
"""How far the port of the Raft layer is from the node's own, where it is not set."""

MIN_SECRET_CHARACTERS = 16

_GOSSIP = GossipConfig()


class ConfigFileError(Exception):
    """The configuration file cannot be read or is not TOML; the message names it."""


@dataclass(frozen=True)
class Unit:
    """What a number counts, for the reference."""

    name: str


# -- types: what a value may look like, with the fix in the message ----------------------------------------------------


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {str(value).lower()}")
    return value


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be text such as 127.0.0.1:10000, not {value!r}")
    return Address.parse(value)


def _address_port_optional(value: object) -> Address:
    try:
        return _address(value)
    except ValueError:
        try:
            return Address(str(ip_address(str(value).removeprefix("[").removesuffix("]"))), 0)
        except ValueError:
            pass
        raise


def _identifier(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("must be text in UTF-8") from None
    if size > MAX_ID_BYTES:
        raise ValueError(f"must be at most {MAX_ID_BYTES} bytes in UTF-8, not {size}")
    return value


def _split_seeds(value: object) -> object:
    """Text holds several seeds, split by commas or blanks, or a JSON array of them."""
    if not isinstance(value, str):
        return value
    try:
        listed = json.loads(value)
    except ValueError:
        return re.split(r"[,\s]+", value.strip(", \t\r\n")) if value.strip(", \t\r\n") else []
    return listed if isinstance(listed, list) else [value]


def _seed(value: str) -> str:
    try:
        Seed(value)
    except ConfigError as error:
        raise ValueError(error.problem) from None
    return value


def _split_names(value: object) -> object:
    """Text holds several names, split by commas, or a JSON array of them."""
    if not isinstance(value, str):
        return value
    try:
        listed = json.loads(value)
    except ValueError:
        listed = None
    return listed if isinstance(listed, list) else [name.strip() for name in value.split(",") if name.strip()]


def _founders(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise ValueError("must name each node once")
    if len(value) not in {0, 1, 3, 5}:
        raise ValueError(f"must name 1, 3 or 5 nodes, not {len(value)}")
    return value


def _secret(value: object) -> object:
    # Its own words: an error must not show the secret.
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or len(value) < MIN_SECRET_CHARACTERS:
        raise ValueError(f"must be text of at least {MIN_SECRET_CHARACTERS} characters")
    return SecretStr(value)


def _odd(*allowed: int) -> BeforeValidator:
    def check(value: object) -> object:
        text = str(value)
        if isinstance(value, bool) or not text.isdecimal() or int(text) not in allowed:
            *most, last = map(str, allowed)
            raise ValueError(f"must be {', '.join(most)} or {last}, not {value!r}")
        return int(text)

    return BeforeValidator(check)


def _json_object(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be a JSON object such as {"zone": "a"}') from None


def _directory(value: object) -> object:
    if value == "":
        raise ValueError("must name a directory")
    return value


Count = Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1)]
Bytes = Annotated[Count, Unit("bytes")]
Seconds = Annotated[float, BeforeValidator(_no_truth_value), Field(gt=0, allow_inf_nan=False), Unit("seconds")]
WholeSeconds = Annotated[Count, Unit("seconds")]
Number = Annotated[float, BeforeValidator(_no_truth_value), Field(gt=0, allow_inf_nan=False)]
Identifier = Annotated[str, AfterValidator(_identifier)]
ListenAddress = Annotated[Address, NoDecode, PlainValidator(_address)]
PublicAddress = Annotated[Address, NoDecode, PlainValidator(_address_port_optional)]
Seeds = Annotated[tuple[Annotated[str, AfterValidator(_seed)], ...], NoDecode, BeforeValidator(_split_seeds)]
Names = Annotated[tuple[Identifier, ...], NoDecode, BeforeValidator(_split_names), AfterValidator(_founders)]
Secret = Annotated[SecretStr, PlainValidator(_secret)]
KeyValues = Annotated[dict[str, str], NoDecode, BeforeValidator(_json_object)]
Directory = Annotated[Path, BeforeValidator(_directory), AfterValidator(Path.expanduser)]


# -- tables ------------------------------------------------------------------------------------------------------------


class Table(BaseModel):
    """One TOML table."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class GossipSettings(Table):
    """The gossip protocol."""

    gossip_fanout: Count = _GOSSIP.gossip_fanout
    """How many random live nodes are addressed in each round."""
    phi_threshold: Number = _GOSSIP.phi_threshold
    """A node is taken for dead when it was silent for more than this many of its mean intervals between signs of
    life. Higher is slower and surer."""
    initial_interval: Seconds = _GOSSIP.initial_interval
    """The interval between signs of life that is assumed of a node before it is known; weighs as much as five
    observed ones."""
    max_interval: Seconds = _GOSSIP.max_interval
    """Longer intervals between signs of life are not averaged in: the node was away. Must be above interval_ms."""
    sampling_window: Count = _GOSSIP.sampling_window
    """How many of a node's last intervals are averaged."""
    dead_node_grace_period: Seconds = _GOSSIP.dead_node_grace_period
    """How long a dead node is remembered with its keys; after half of it, it is no longer spoken of. Must be equal on
    all nodes of a cluster."""
    marked_for_deletion_grace_period: Seconds = _GOSSIP.marked_for_deletion_grace_period
    """How long the mark of a deleted key is kept so that every node learns of it, and how long a key with time to live
    lives. Must be equal on all nodes of a cluster, and longer than any partition you want to survive without full
    transfers."""
    max_key_value_bytes: Bytes = _GOSSIP.max_key_value_bytes
    """Largest key and value together that this node writes; at most 60000. When you raise it, raise
    http.max_query_bytes too: percent-encoding can triple a value."""
    max_keys_per_node: Count = _GOSSIP.max_keys_per_node
    """Most keys in one node's namespace, marks of deleted ones included."""
    allow_non_ascii_keys: bool = _GOSSIP.allow_non_ascii_keys
    """Whether keys may start with a non-ASCII character. Real chitchat nodes (release 0.10.1) stop on such keys: set
    it only where all nodes are coterie nodes."""
    max_datagram_bytes: Bytes = _GOSSIP.max_datagram_bytes
    """Largest datagram sent; at most 65507, UDP's own limit."""
    max_digest_bytes: Bytes = _GOSSIP.max_digest_bytes
    """A digest of all known nodes that does not fit a datagram is cut into stripes of at most this size. At least 4096
    below max_datagram_bytes."""
    max_delta_bytes: Bytes = _GOSSIP.max_delta_bytes
    """How much of one received message is unpacked; the rest comes in a later round."""
    max_delta_ops: Count = _GOSSIP.max_delta_ops
    """How many operations of one received message are taken; the rest comes in a later round."""
    max_known_nodes: Count = _GOSSIP.max_known_nodes
    """Most nodes known at a time, dead ones included; further ones are counted and ignored."""
    stranger_bytes_per_second: Bytes = _GOSSIP.stranger_bytes_per_second
    """Answers to addresses that are neither a known node's nor a seed's share this many bytes a second, so that this
    node cannot be used to flood others."""
    drop_unsolicited: bool = _GOSSIP.drop_unsolicited
    """Whether answers from peers that were not addressed lately are dropped instead of only counted."""
    reply_window: Seconds = _GOSSIP.reply_window
    """What "lately" means for drop_unsolicited."""


class RaftSettings(Table):
    """The Raft layer: metadata, leases, locks and elections on which all nodes agree."""

    enabled: bool = False
    """Whether this node takes part: it keeps the metadata, and may come to vote. Needs data_dir. A node that does not
    take part serves the same requests, by way of those that do."""
    bootstrap_expect: Annotated[int, _odd(1, 3, 5)] | None = None
    """How many nodes found the cluster, once: 1, 3 or 5; equal on all of them. They wait for one another. Unset, and
    without founders: the node joins a cluster that others found."""
    founders: Names = ()
    """Instead of bootstrap_expect: the node_ids of the nodes that found the cluster, 1, 3 or 5 of them. As an
    environment variable: separated by commas, or a JSON array."""
    listen_addr: ListenAddress | None = None
    """ip:port (TCP) on which the nodes speak Raft with each other. Unset: the node's listen_addr with the port + 1000.
    Port 0: the system chooses one."""
    public_addr: PublicAddress | None = None
    """ip:port at which other nodes reach it. Unset: the IP address of the node's public_addr, and the port of
    raft.listen_addr."""
    secret: Secret | None = None
    """What nodes prove to each other before they speak Raft: text of at least 16 characters, equal on all nodes. Must
    be set unless raft.listen_addr is a loopback address."""
    zone: Annotated[str, Field(max_length=64)] = ""
    """Where this node stands, such as a rack or a data centre. Voters are preferred in distinct zones."""
    min_voters: Annotated[Count, Field(le=7)] = 3
    """No dead voter is removed below this number, unless a ready node takes its place."""
    max_voters: Annotated[int, _odd(1, 3, 5, 7)] = 5
    """Most voters; further nodes follow without a vote."""
    stabilization_time: Seconds = 10.0
    """How long a node must have been alive and caught up before it may vote."""
    dead_voter_grace: Seconds = 30.0
    """How long a voter must have been dead, for gossip and for the leader alike, before another takes its place."""
    heartbeat_interval: Seconds = 0.1
    """Time between a leader's signs of life to the other members. Raise it, and election_timeout with it, where round
    trips take longer than a quarter of it."""
    election_timeout: Seconds = 0.4
    """Time without a leader before others campaign: random between this and twice as much. At least 4 times
    heartbeat_interval."""
    request_timeout: Seconds = 5.0
    """How long a request may take where it does not say so itself; then it ends with an error that says whether
    anything happened."""
    max_request_timeout: Seconds = 60.0
    """Longest time that a request may ask for, waiting for locks included."""
    max_watches: Count = 1_000
    """Most watches served at a time; further ones are answered 503."""
    watch_heartbeat: Seconds = 10.0
    """A watch on which nothing happens says after this time how far it has come."""
    watch_stall: Seconds = 30.0
    """A watch whose client takes nothing for this long is ended; it can be resumed."""


class LogSettings(Table):
    """What is logged, and how. Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are logged. "debug" includes a line for each HTTP request."""
    format: Literal["auto", "console", "json"] = "auto"
    """"console" is for people, "json" is one object a line; "auto" is "console" on a terminal and "json" elsewhere."""


class HttpSettings(Table):
    """Limits of the HTTP server."""

    max_connections: Count = 1_000
    """Most open connections, and so most requests at a time; further ones are answered 503 and closed."""
    backlog: Count = 2_048
    """Most connections that wait in the system to be accepted."""
    keep_alive_seconds: WholeSeconds = 5
    """How long a connection stays open after an answer while no further request comes."""
    head_seconds: WholeSeconds = 10
    """How long a client may take to send the head of a request, from connecting or from its first byte on."""
    max_query_bytes: Bytes = 65_536
    """Longest path and query of a request together, as sent, that is percent-encoded; longer ones are answered 414."""
    max_header_bytes: Bytes = 32_768
    """Most header bytes of a request; more are answered 431."""
    max_body_bytes: Bytes = 2_097_152
    """Largest body of a request; larger ones are answered 413."""
    body_seconds: WholeSeconds = 30
    """How long a client may take to send a body once the head is there; then it is answered 408."""
    shutdown_seconds: WholeSeconds = 1
    """How long a stopping node waits for answers under way; idle connections are closed at once."""


class Settings(BaseSettings):
    """Everything that can be set. Names are those of the command line options where there is one."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_NESTED_DELIMITER,
        env_ignore_empty=True,
    )

    config: Path | None = Field(default=None, exclude=True)
    """The TOML file with settings. Not a setting of the file itself."""

    listen_addr: ListenAddress = Address("127.0.0.1", 10_000)
    """ip:port to listen on, for HTTP (TCP) and gossip (UDP). Port 0: the system chooses one that is free for both. On
    0.0.0.0 or [::], set public_addr too."""
    public_addr: PublicAddress | None = None
    """ip:port at which other nodes reach this one. Unset: listen_addr. Without port, or with port 0: the port of
    listen_addr."""
    node_id: Identifier | None = None
    """Name of the node, unique in the cluster; at most 1024 bytes. Unset: the one kept in data_dir, or else generated
    as server:<public_addr>-<random>."""
    seed: Seeds = ()
    """Nodes to find the cluster by, each ip:port or host:port; host names are looked up again every 60 seconds. The
    node's own address may be among them, so that all nodes can share one list."""
    interval_ms: Annotated[Count, Unit("milliseconds")] = 500
    """Time between gossip rounds. Should be equal on all nodes of a cluster."""
    cluster_id: Identifier = _GOSSIP.cluster_id
    """Name of the cluster, equal on all its nodes; nodes of other clusters are not talked to. At most 1024 bytes."""
    data_dir: Directory | None = None
    """Directory for what must outlive a restart: the generated node_id and the node's generation; created if absent,
    relative to the working directory. Unset: nothing is kept, and the generation is the start time in Unix seconds."""

    gossip: GossipSettings = GossipSettings()
    raft: RaftSettings = RaftSettings()
    key_values: KeyValues = {}
    """Keys that the node sets for itself at its start, in this order. As an environment variable: COTERIE_KEY_VALUES
    with a JSON object, which replaces this table."""
    log: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line (what the constructor is given), then the environment, then the file they name."""
        path = init_settings().get("config") or os.environ.get(ENV_PREFIX + "CONFIG")
        file_settings = InitSettingsSource(settings_cls, init_kwargs=read_config_file(Path(path)) if path else {})
        return init_settings, env_settings, file_settings

    def gossip_config(self) -> GossipConfig:
        """What the protocol is run with. Raises ConfigError, whose field is a name of GossipConfig."""
        return GossipConfig(
            cluster_id=self.cluster_id, gossip_interval=self.interval_ms / 1000, **self.gossip.model_dump()
        )

    @property
    def raft_listen_addr(self) -> Address:
        """Where the Raft layer listens. Raises ValueError where the node's port leaves no room above it."""
        if self.raft.listen_addr is not None:
            return self.raft.listen_addr
        port = self.listen_addr.port
        if port + RAFT_PORT_OFFSET > 0xFFFF:
            raise ValueError(
                f"the port of listen_addr {self.listen_addr} + {RAFT_PORT_OFFSET} is no port; set raft.listen_addr"
            )
        return self.listen_addr._replace(port=port + RAFT_PORT_OFFSET if port else 0)


def read_config_file(path: Path) -> dict[str, Any]:
    """The file's keys and values. Raises ConfigFileError."""
    try:
        values = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigFileError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigFileError(f"{path}: not valid TOML: {error}") from None
    if "config" in values:
        raise ConfigFileError(f"config in {path}: a file cannot name another one; use --config or COTERIE_CONFIG")
    return values
