"""The settings of etcd's API."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from coterie.app.settings.types import Bytes, OptionalListenAddress, Table, split_names

_URL_SCHEMES = ("http://", "https://")


def _url(value: str) -> str:
    if not value.startswith(_URL_SCHEMES) or len(value.split("/")) != 3:
        raise ValueError(f"must be a URL of scheme, host and port, such as http://10.0.0.1:2379, not {value!r}")
    return value


Urls = Annotated[tuple[Annotated[str, AfterValidator(_url)], ...], NoDecode, BeforeValidator(split_names)]


class EtcdSettings(Table):
    """The API of etcd, version 3, for programs that speak it: as JSON, and over gRPC with the extra `coterie[grpc]`."""

    listen_addr: OptionalListenAddress = None
    """ip:port (TCP) on which it is served, such as 127.0.0.1:2379, etcd's own. Unset or empty: it is not served."""
    advertise_urls: Urls = ()
    """Where clients reach it: what they are told of this node when they ask for the members. Unset: the IP address of
    the node's public_addr, and the port of etcd.listen_addr. As an environment variable: separated by commas."""
    max_answer_bytes: Bytes = 16_777_216
    """Most that the keys and values of one answer to a range may take; a larger one is refused."""
