"""Addresses of nodes, as they are given: `http://host:port`, `https://host:port`, or `host:port` for plain HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from app.client.errors import ClientError

DEFAULT_ADDRESS = "http://127.0.0.1:10000"


def read_address(text: str) -> str:
    """In its full form, without a slash at the end. Raises ClientError."""
    full = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(full)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username) if host else False
    if port is None and "://" not in text:
        bare = False  # a port without a host, or a host without a port: what was meant by it is not clear
    if not host or parts.scheme not in {"http", "https"} or not bare:
        raise ClientError(f"address: must be http://host:port, https://host:port or host:port, not {text!r}")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}"


def read_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order; the default where there is none. Raises ClientError."""
    return tuple(dict.fromkeys(map(read_address, texts))) or (DEFAULT_ADDRESS,)
