"""The settings of a node: the plain options, and the tables of `app/settings/tables.py` put together.

Sources, later beating earlier: defaults, TOML file, environment (`COTERIE_*`), command line. `app/settings/loading.py`
loads them and reports problems; `configs/reference.toml` is generated from the docstrings here and there.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from coterie.app.settings.auth import AuthSettings
from coterie.app.settings.etcd import EtcdSettings
from coterie.app.settings.live import LiveSettings
from coterie.app.settings.operation import KeyringSettings, LeaveSettings, PersistenceSettings
from coterie.app.settings.tables import (
    ConsoleSettings,
    GossipSettings,
    HealthSettings,
    HttpSettings,
    LogSettings,
    RaftSettings,
)
from coterie.app.settings.tls import TlsSettings
from coterie.app.settings.tracing import TracingSettings
from coterie.app.settings.types import (
    Count,
    Directory,
    Identifier,
    KeyValues,
    ListenAddress,
    PublicAddress,
    Seeds,
    Unit,
)
from coterie.app.wire.names import ENV_PREFIX
from coterie.gossip import SEAL_BYTES, SESSION_BYTES, Address, GossipConfig, Keyring, Plain

ENV_NESTED_DELIMITER = "__"

RAFT_PORT_OFFSET = 1_000
"""How far the port of the Raft layer is from the node's own, where it is not set."""

_GOSSIP = GossipConfig()


class ConfigFileError(Exception):
    """The configuration file cannot be read or is not TOML; the message names it."""


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
    0.0.0.0 or [::], set public_addr too; [::] is IPv6 alone, and all nodes of a cluster gossip in one family. In all
    addresses of a node's own a host name is looked up once, at the start."""
    public_addr: PublicAddress | None = None
    """ip:port at which other nodes reach this one, such as that of `hostname -i` in a container. Unset: listen_addr.
    Without port, or with port 0: the port of listen_addr."""
    node_id: Identifier | None = None
    """Name of the node, unique in the cluster; at most 1024 bytes. Unset: the one kept in data_dir, or else generated
    as server:<public_addr>-<random>."""
    seed: Seeds = ()
    """Nodes to find the cluster by, each ip:port or host:port; host names are looked up again every 60 seconds. The
    node's own address may be among them, so that all nodes can share one list."""
    interval_ms: Annotated[Count, Unit("milliseconds")] = round(_GOSSIP.gossip_interval * 1000)
    """Time between gossip rounds. Should be equal on all nodes of a cluster."""
    cluster_id: Identifier = _GOSSIP.cluster_id
    """Name of the cluster, equal on all its nodes; nodes of other clusters are not talked to. At most 1024 bytes."""
    data_dir: Directory | None = None
    """Directory for what must outlive a restart: the generated node_id, the node's generation, its keys, the addresses
    of its peers, the Raft layer's files or the Raft cluster that the node keeps to; created if absent, relative to the
    working directory. Unset: nothing is kept, and the generation is the start time in Unix seconds."""

    gossip: GossipSettings = GossipSettings()
    persistence: PersistenceSettings = PersistenceSettings()
    leave: LeaveSettings = LeaveSettings()
    keyring: KeyringSettings = KeyringSettings()
    raft: RaftSettings = RaftSettings()
    key_values: KeyValues = {}
    """Keys that the node sets for itself at its start, in this order, over those kept in data_dir; one that is taken
    out of here is gone at the next start. As an environment variable: COTERIE_KEY_VALUES with a JSON object, which
    replaces this table."""
    log: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    tls: TlsSettings = TlsSettings()
    health: HealthSettings = HealthSettings()
    tracing: TracingSettings = TracingSettings()
    live: LiveSettings = LiveSettings()
    console: ConsoleSettings = ConsoleSettings()
    etcd: EtcdSettings = EtcdSettings()

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
        settings = self.gossip.model_dump()
        if self.keyring.keys:
            settings["max_datagram_bytes"] -= SEAL_BYTES
        return GossipConfig(cluster_id=self.cluster_id, gossip_interval=self.interval_ms / 1000, **settings)

    def gossip_keyring(self) -> Keyring | None:
        """What seals the datagrams; None where nothing does. Raises ConfigError."""
        keyring = self.keyring
        if not keyring.keys:
            return None
        return Keyring(
            [key.get_secret_value() for key in keyring.keys],
            self.cluster_id,
            lambda: secrets.token_bytes(SESSION_BYTES),
            plain=Plain(keyring.plain),
            replay_window=keyring.replay_window,
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
        values = tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # some editors begin with a byte order mark
    except OSError as error:
        raise ConfigFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigFileError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigFileError(f"{path}: not valid TOML: {error}") from None
    if "config" in values:
        raise ConfigFileError(f"config in {path}: a file cannot name another one; use --config or COTERIE_CONFIG")
    return values
