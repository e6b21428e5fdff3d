"""Types of settings, each with a check whose message names the fix."""

from __future__ import annotations

import json
import re
import socket
from base64 import b64decode
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SecretBytes,
    SecretStr,
)
from pydantic_settings import NoDecode

from coterie.gossip import KEY_BYTES, MAX_ID_BYTES, Address, ConfigError, Seed

MIN_SECRET_CHARACTERS = 16

MAX_KEYS = 16
"""Of the gossip keyring."""

_EXAMPLE_KEY = "base64 of 32 bytes"

_HOST_NAME = re.compile(r"\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")
_NAME = re.compile(r"(?=[^:]*[A-Za-z])[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")
_NAMED_ADDRESS = re.compile(rf"({_NAME.pattern}):([0-9]{{1,5}})")
_ORIGIN = re.compile(r"\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+")


class Table(BaseModel):
    """One TOML table."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True)
class Unit:
    """What a number counts, for the reference."""

    name: str


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {str(value).lower()}")
    return value


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be text such as 127.0.0.1:10000, not {value!r}")
    try:
        return Address.parse(value)
    except ValueError:
        named = _NAMED_ADDRESS.fullmatch(value)
        if named is None:
            raise
        return Address.parse(f"{_look_up(named[1])}:{named[2]}")


def _look_up(name: str) -> str:
    """The address of a host name as of now, one of IPv4 where there is one; an IPv6 one in brackets."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ValueError(
            f"the name {name!r} has no address now: {why}; give an address, such as that of `hostname -i`, or a name "
            "that resolves before the node starts"
        ) from None
    hosts = sorted((family != socket.AF_INET, str(where[0])) for family, *_, where in found)
    is_ipv6, host = hosts[0]
    return f"[{host}]" if is_ipv6 else host


def _address_port_optional(value: object) -> Address:
    try:
        return _address(value)
    except ValueError:
        try:
            return Address(str(ip_address(str(value).removeprefix("[").removesuffix("]"))), 0)
        except ValueError:
            pass
        if isinstance(value, str) and _NAME.fullmatch(value):
            return Address.parse(f"{_look_up(value)}:0")
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


def split_names(value: object) -> object:
    """Text holds several names, split by commas, or a JSON array of them."""
    if not isinstance(value, str):
        return value
    try:
        listed = json.loads(value)
    except ValueError:
        listed = None
    return listed if isinstance(listed, list) else [name.strip() for name in value.split(",") if name.strip()]


def _host_name(value: str) -> str:
    if not _HOST_NAME.fullmatch(value):
        raise ValueError(f"must be a host name without port, *.<domain> or *, not {value!r}")
    return value


def _origin(value: str) -> str:
    if not _ORIGIN.fullmatch(value):
        raise ValueError(f"must be an origin such as https://console.example.net, or *, not {value!r}")
    return value


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


def _split_keys(value: object) -> object:
    """Text holds several keys, split by commas, or a JSON array of them."""
    if not isinstance(value, str):
        return value
    try:
        listed = json.loads(value)
    except ValueError:
        listed = None
    return listed if isinstance(listed, list) else [key.strip() for key in value.split(",") if key.strip()]


def _gossip_keys(value: object) -> tuple[SecretBytes, ...]:
    # Its own words: an error must not show a key.
    if isinstance(value, tuple) and all(isinstance(key, SecretBytes) for key in value):
        return value
    listed = _split_keys(value)
    if not isinstance(listed, list | tuple):
        raise ValueError(f'must be a list of keys such as ["{_EXAMPLE_KEY}"]')
    keys = []
    for number, text in enumerate(listed, 1):
        try:
            key = b64decode(text, validate=True) if isinstance(text, str) else b""
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(
                f"key {number} must be base64 of {KEY_BYTES} bytes; make one with openssl rand -base64 {KEY_BYTES}"
            )
        keys.append(key)
    if len(keys) > MAX_KEYS:
        raise ValueError(f"must be at most {MAX_KEYS} keys, not {len(keys)}")
    if len(set(keys)) < len(keys):
        raise ValueError("must hold each key once")
    return tuple(map(SecretBytes, keys))


def odd(*allowed: int) -> BeforeValidator:
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
OptionalListenAddress = Annotated[
    Address | None, NoDecode, PlainValidator(lambda value: None if value in {None, ""} else _address(value))
]
PublicAddress = Annotated[Address, NoDecode, PlainValidator(_address_port_optional)]
Seeds = Annotated[tuple[Annotated[str, AfterValidator(_seed)], ...], NoDecode, BeforeValidator(_split_seeds)]
HostNames = Annotated[tuple[Annotated[str, AfterValidator(_host_name)], ...], NoDecode, BeforeValidator(split_names)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(split_names)]
Names = Annotated[tuple[Identifier, ...], NoDecode, BeforeValidator(split_names), AfterValidator(_founders)]
Secret = Annotated[SecretStr, PlainValidator(_secret)]
GossipKeys = Annotated[tuple[SecretBytes, ...], NoDecode, PlainValidator(_gossip_keys)]
KeyValues = Annotated[dict[str, str], NoDecode, BeforeValidator(_json_object)]
Directory = Annotated[Path, BeforeValidator(_directory), AfterValidator(Path.expanduser)]
