"""The sockets of a node: one number for TCP (HTTP) and UDP (gossip), bound before anything else starts."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from coterie.gossip import Address, open_udp_socket

MAX_PORT_TRIES = 100
"""How many numbers that the system offers for TCP are tried for UDP too, where it may choose the port."""


class BindError(Exception):
    """The listen address cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Sockets:
    """Both bound to `address`, whose port is a real one."""

    tcp: socket.socket
    udp: socket.socket
    address: Address

    def close(self) -> None:
        self.tcp.close()
        self.udp.close()


def open_sockets(address: Address, backlog: int) -> Sockets:
    """Bind both, and listen on TCP. Port 0: the system chooses one that is free for both. Raises BindError."""
    tries = MAX_PORT_TRIES if address.port == 0 else 1
    while True:
        tries -= 1
        try:
            tcp = _open_tcp_socket(address, backlog)
        except OSError as error:
            raise BindError(_wording(error, "TCP", address)) from None
        bound = Address(address.host, tcp.getsockname()[1])
        try:
            return Sockets(tcp, open_udp_socket(bound), bound)
        except OSError as error:
            tcp.close()
            if tries == 0 or error.errno != errno.EADDRINUSE:
                raise BindError(_wording(error, "UDP", bound)) from None


def open_etcd_socket(address: Address | None, backlog: int) -> socket.socket | None:
    """Where etcd's API is served; None: nowhere. Raises BindError."""
    if address is None:
        return None
    try:
        return _open_tcp_socket(address, backlog)
    except OSError as error:
        raise BindError(f"etcd.listen_addr {address}: {error.strerror or error}; choose another one") from None


def _open_tcp_socket(address: Address, backlog: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # A restart must not wait until the connections of the last run are forgotten.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.is_ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _wording(error: OSError, transport: str, address: Address) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"address already in use: {address} ({transport}); another node may be running on it: "
                "stop that one, or choose another --listen_addr"
            )
        case errno.EADDRNOTAVAIL:
            return f"this machine has no address {address.host}; choose one of its own as --listen_addr"
        case errno.EACCES:
            return f"no permission to listen on {address} ({transport}); choose a --listen_addr with a port above 1023"
    return f"cannot listen on {address} ({transport}): {error.strerror}; choose another --listen_addr"
