"""Loads the settings, and reports each problem under the name that its author wrote.

One line a problem: its source (file key, environment variable or option), what is wrong, and the fix.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_address
from random import Random
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from coterie.app.settings.settings import ENV_NESTED_DELIMITER, ConfigFileError, Settings
from coterie.app.wire.names import ENV_PREFIX, NOT_OF_NODES, is_of_kubernetes
from coterie.gossip import Address, ConfigError, Engine, KeyRefusedError, NodeId

SettingPath = tuple[str, ...]
"""Where a setting stands: its table, if it has one, and its name."""

_SHOWN_VALUE_CHARACTERS = 120

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class BadSettingsError(Exception):
    """The settings cannot be used; `lines` says why, one problem each."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(dict.fromkeys(lines))
        super().__init__("\n".join(self.lines))


def load_settings(options: Mapping[str, Any]) -> Settings:
    """The settings from command line `options` (by name, only those given), environment and file.

    Raises BadSettingsError.
    """
    problems = list(_unknown_variables())
    try:
        settings = Settings(**options)
    except ConfigFileError as error:
        raise BadSettingsError([*problems, str(error)]) from None
    except SettingsError as error:
        # A table given whole as one variable; it was named above.
        raise BadSettingsError(problems or [str(error)]) from None
    except ValidationError as error:
        names = _Names(options)
        unknown = {problem.partition(":")[0] for problem in problems}
        lines = [_problem_line(details, names) for details in error.errors(include_url=False)]
        problems += [line for line in lines if line.partition(":")[0] not in unknown]
        raise BadSettingsError(problems) from None
    names = _Names(options, settings)
    problems += [f"{names.written(path)}: {problem}" for path, problem in _contradictions(settings)]
    if problems:
        raise BadSettingsError(problems)
    return settings


def sources(options: Mapping[str, Any], settings: Settings) -> Iterator[tuple[SettingPath, object, str]]:
    """Every setting with its value and where that comes from, in words; top-level ones first."""
    names = _Names(options, settings)
    for path in sorted(setting_paths(), key=len):
        value: object = settings
        for name in path:
            value = getattr(value, name)
        yield path, value, names.source(path)


# -- names -------------------------------------------------------------------------------------------------------------


def setting_paths() -> Iterator[SettingPath]:
    """Every setting. `config` is none: it says where settings are."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((name, key) for key in field.annotation.model_fields)
        elif name != "config":
            yield (name,)


def variable(path: SettingPath) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + ENV_NESTED_DELIMITER.join(path).upper()


class _Names:
    """Who set what."""

    def __init__(self, options: Mapping[str, Any], settings: Settings | None = None) -> None:
        self._options = options
        self._file = options.get("config") or os.environ.get(variable(("config",)))
        self._settings = settings

    def source(self, path: SettingPath) -> str:
        """What set it last."""
        if self._settings is not None and not _was_set(self._settings, path):
            return "default"
        written = self.written(path)
        return str(self._file) if written.endswith(f" in {self._file}") else written

    def written(self, path: SettingPath) -> str:
        """A setting's name as the user wrote it, in the place that counts."""
        if path[0] in self._options:
            return f"--{path[0]}"
        named = path[:1] if path[0] == "key_values" else path
        for name, value in os.environ.items():
            if value and name.upper() == variable(named):
                return name
        dotted = _dotted(path)
        by_default = self._settings is not None and not _was_set(self._settings, path)
        return f"{dotted} in {self._file}" if self._file and not by_default else dotted


def _was_set(table: object, path: SettingPath) -> bool:
    for name in path:
        if isinstance(table, BaseModel):
            if name not in table.model_fields_set:
                return False
            table = getattr(table, name)
    return True


def _dotted(path: SettingPath) -> str:
    """A path as TOML writes it."""
    return ".".join(part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in path)


def _closest(wanted: str, known: Sequence[str]) -> str:
    found = get_close_matches(wanted, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _unknown_variables() -> Iterator[str]:
    known = [variable(("config",)), *map(variable, setting_paths())]
    for name, value in os.environ.items():
        upper = name.upper()
        if not upper.startswith(ENV_PREFIX) or upper in known or upper.startswith(NOT_OF_NODES):
            continue
        if is_of_kubernetes(name, value):
            continue
        table = upper.removeprefix(ENV_PREFIX).split(ENV_NESTED_DELIMITER)[0].lower()
        if table == "key_values":
            fix = f"; set {variable((table,))} to a JSON object"
        elif upper == variable((table,)) and table in Settings.model_fields:
            fix = f"; set one variable a key: {upper}{ENV_NESTED_DELIMITER}<KEY>"
        else:
            fix = _closest(upper, known)
        yield f"{name}: unknown environment variable{fix}"


# -- problems ----------------------------------------------------------------------------------------------------------


def _problem_line(details: ErrorDetails, names: _Names) -> str:
    path = _path(details["loc"])
    if details["type"] == "extra_forbidden":
        known = [".".join(known) for known in setting_paths()]
        known += {known[0] for known in setting_paths() if len(known) > 1} if len(path) == 1 else ()
        return f"{names.written(path)}: unknown setting{_closest('.'.join(path), known)}"
    return f"{names.written(path)}: {_wording(details)}"


def _path(location: tuple[int | str, ...]) -> SettingPath:
    """The setting behind pydantic's place of an error, which goes on into lists and validators."""
    depth = 1 if location[0] in Settings.model_fields and len(location) > 1 and isinstance(location[1], int) else 2
    return tuple(str(part) for part in location[:depth])


def _wording(details: ErrorDetails) -> str:
    given = repr(details["input"])
    if len(given) > _SHOWN_VALUE_CHARACTERS:
        given = given[:_SHOWN_VALUE_CHARACTERS] + "..."
    match details["type"]:
        case "value_error":
            return str(details["ctx"]["error"])
        case "model_type" | "dict_type":
            return f"must be a table, not {given}"
        case "string_unicode":
            return "must be text in UTF-8"
        case "int_parsing" | "int_type" | "int_from_float":
            return f"must be a whole number, not {given}"
        case "float_parsing" | "float_type":
            return f"must be a number, not {given}"
        case "bool_parsing" | "bool_type":
            return f"must be true or false, not {given}"
        case "string_type" | "path_type":
            return f"must be text, not {given}"
        case "tuple_type":
            return f'must be a list such as ["127.0.0.1:10001"], not {given}'
    wording = details["msg"].replace("Input should be", "must be").split(", unable")[0]
    return f"{wording}, not {given}"


def _contradictions(settings: Settings) -> Iterator[tuple[SettingPath, str]]:
    """What is wrong with values that are each well formed."""
    listen, public = settings.listen_addr, settings.public_addr
    if _is_unspecified(listen) and public is None:
        yield (
            ("listen_addr",),
            f"other nodes cannot send to {listen}; set public_addr (--public_addr) to where they reach this node",
        )
    if public is not None and _is_unspecified(public):
        yield ("public_addr",), f"{public.host} is no address that other nodes can send to; give this machine's own"
    elif public is not None and public.is_ipv6 != listen.is_ipv6:
        yield ("public_addr",), f"{public} and listen_addr {listen} must both be IPv4 or both be IPv6"
    try:
        config = settings.gossip_config()
    except ConfigError as error:
        top_level = {"cluster_id": ("cluster_id",), "gossip_interval": ("interval_ms",)}
        yield top_level.get(error.field, ("gossip", error.field)), error.problem
        return
    if config.gossip_interval >= config.max_interval:
        yield (
            ("interval_ms",),
            f"must be below gossip.max_interval = {config.max_interval:g} s, or no node is ever taken for alive",
        )
    yield from _raft_contradictions(settings)
    yield from _tls_contradictions(settings)
    # A probe of the same make refuses what the node would refuse.
    probe = Engine(config, NodeId("probe", 0, Address("127.0.0.1", 1)), Random(0), now=0.0)
    for key, value in settings.key_values.items():
        if not key:
            yield ("key_values", key), "a key must not be empty"
            continue
        try:
            probe.set(key, value, 0.0)
        except KeyRefusedError as error:
            yield ("key_values", key), str(error)


def _raft_contradictions(settings: Settings) -> Iterator[tuple[SettingPath, str]]:
    raft = settings.raft
    if not raft.enabled:
        return
    if settings.data_dir is None:
        yield (
            ("raft", "enabled"),
            "needs data_dir: a member keeps its log and its vote on disk; set data_dir to a directory of this node",
        )
    if raft.bootstrap_expect is not None and raft.founders:
        yield ("raft", "founders"), "and raft.bootstrap_expect exclude each other; set one of them"
    try:
        listen = settings.raft_listen_addr
    except ValueError as error:
        yield ("raft", "listen_addr"), str(error)
        return
    if raft.listen_addr is not None and listen.port and listen == settings.listen_addr:
        yield ("raft", "listen_addr"), f"{listen} is the node's own listen_addr; choose another port"
    public = raft.public_addr or settings.public_addr
    if _is_unspecified(listen) and public is None:
        yield (
            ("raft", "listen_addr"),
            f"other nodes cannot connect to {listen}; set raft.public_addr to where they reach this node",
        )
    if raft.public_addr is not None and _is_unspecified(raft.public_addr):
        yield ("raft", "public_addr"), f"{raft.public_addr.host} is no address to connect to; give this machine's own"
    if raft.secret is None and not ip_address(listen.host).is_loopback:
        yield (
            ("raft", "secret"),
            (
                f"must be set where others can connect to {listen}; generate one, such as with openssl rand -hex 32, "
                "and set it on all nodes"
            ),
        )
    if raft.min_voters > raft.max_voters:
        yield ("raft", "min_voters"), f"must be at most raft.max_voters = {raft.max_voters}"
    founding = raft.bootstrap_expect or len(raft.founders)
    if founding > raft.max_voters:
        field = "bootstrap_expect" if raft.bootstrap_expect else "founders"
        yield ("raft", field), f"{founding} nodes found the cluster, above raft.max_voters = {raft.max_voters}"
    if raft.election_timeout < 4 * raft.heartbeat_interval:
        yield ("raft", "election_timeout"), "must be at least 4 times raft.heartbeat_interval"
    if 2 * raft.compact_bytes > raft.max_log_bytes:
        yield ("raft", "compact_bytes"), f"must be at most half of raft.max_log_bytes = {raft.max_log_bytes}"
    if raft.request_timeout > raft.max_request_timeout:
        yield ("raft", "request_timeout"), f"must be at most raft.max_request_timeout = {raft.max_request_timeout:g} s"


def _tls_contradictions(settings: Settings) -> Iterator[tuple[SettingPath, str]]:
    tls = settings.tls
    if (tls.certificate is None) != (tls.key is None):
        lacking = "key" if tls.key is None else "certificate"
        yield ("tls", lacking), "must be set where the other of tls.certificate and tls.key is"
    if tls.certificate is None:
        return
    if tls.ca is None and settings.raft.enabled and tls.raft:
        yield (
            ("tls", "ca"),
            "must be set for the links of Raft, whose both sides show certificates; or set tls.raft to false",
        )
    if tls.ca is None and tls.client_certificates != "none":
        yield ("tls", "ca"), f"must be set where tls.client_certificates is {tls.client_certificates!r}"


def _is_unspecified(address: Address) -> bool:
    return not any(address.packed)
