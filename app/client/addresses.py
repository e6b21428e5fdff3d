"""Addresses of nodes, as they are given: `http://host:port`, `https://host:port`, or `host:port` for plain HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx

from coterie.app.client.errors import ClientError

DEFAULT_ADDRESS = "http://127.0.0.1:10000"


def read_address(text: str) -> str:
    """In its full form, without a slash at the end. Raises ClientError."""
    address = _full(text)
    if address is None:
        # What is refused here may hold a password.
        shown = "one with a user or password, which nodes do not know" if "@" in text else repr(text)
        raise ClientError(f"address: must be http://host:port, https://host:port or host:port, not {shown}")
    return address


def _full(text: str) -> str | None:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not host or port == 0 or more or parts.scheme not in {"http", "https"}:
        return None
    if port is None and "://" not in text:  # a port without a host, or a host without a port: which is not clear
        return None
    shown = f"[{host}]" if ":" in host else host
    address = f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}"
    try:
        httpx.URL(address)
    except httpx.InvalidURL:
        return None
    return address if text.isprintable() and " " not in text else None


def read_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order; the default where there is none. Raises ClientError."""
    return tuple(dict.fromkeys(map(read_address, texts))) or (DEFAULT_ADDRESS,)
