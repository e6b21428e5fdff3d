"""Seeds by address and by host name; names are looked up repeatedly (gossip spec 7)."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

from coterie.gossip.errors import ConfigError
from coterie.gossip.wire.identity import Address

Lookup = Callable[[str, int], Awaitable[Iterable[str]]]
"""From a host name and port to addresses, as text, of the family of the node's socket. Raises OSError."""

_HOST_PORT = re.compile(r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?):(?P<port>[0-9]{1,5})")


class Seed:
    """One configured seed: a fixed address, or a host name with its last addresses."""

    def __init__(self, text: str) -> None:
        """Raises ConfigError where `text` is neither `ip:port` nor `host:port`."""
        self.text = text
        self.addresses: tuple[Address, ...] = ()
        self.host = ""
        try:
            self.addresses = (Address.parse(text),)
            self.port = self.addresses[0].port
        except ValueError:
            match = _HOST_PORT.fullmatch(text)
            # A malformed IPv4 address must not be looked up as a name.
            if match is None or re.fullmatch(r"[0-9.]+", match["host"]) or int(match["port"]) > 0xFFFF:
                raise ConfigError("seed", f"{text!r} is neither ip:port, [ipv6]:port nor host:port") from None
            self.host = match["host"]
            self.port = int(match["port"])
        if self.port == 0:
            raise ConfigError("seed", f"{text!r} has port 0, on which no node can be reached")

    @property
    def is_name(self) -> bool:
        return bool(self.host)


class SeedList:
    """All seeds, and their current addresses."""

    def __init__(self, seeds: Sequence[str], own: Address, lookup: Lookup) -> None:
        """Raises ConfigError."""
        self._seeds = [Seed(text) for text in dict.fromkeys(seeds)]
        self._own = own
        self._lookup = lookup

    def replaced(self, seeds: Sequence[str]) -> SeedList:
        """Other seeds, which keep the addresses of names that both have. Raises ConfigError."""
        other = SeedList(seeds, self._own, self._lookup)
        known = {seed.text: seed for seed in self._seeds}
        other._seeds = [known.get(seed.text, seed) for seed in other._seeds]
        return other

    @property
    def has_names(self) -> bool:
        return any(seed.is_name for seed in self._seeds)

    @property
    def lead_elsewhere(self) -> bool:
        """Whether there are any, and none is this very node."""
        return bool(self._seeds) and all(self._own not in seed.addresses for seed in self._seeds)

    def addresses(self) -> tuple[Address, ...]:
        """Every address of every seed, none twice, without the own one."""
        found = dict.fromkeys(address for seed in self._seeds for address in seed.addresses)
        found.pop(self._own, None)
        return tuple(found)

    async def refresh(self) -> dict[str, OSError]:
        """Look all names up at once. Returns the errors by seed; a seed whose look-up fails keeps its addresses."""
        names = [seed for seed in self._seeds if seed.is_name]
        answers = await asyncio.gather(*(self._lookup(seed.host, seed.port) for seed in names), return_exceptions=True)
        failed: dict[str, OSError] = {}
        for seed, answer in zip(names, answers, strict=True):
            if isinstance(answer, OSError):
                failed[seed.text] = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                seed.addresses = tuple(Address(host, seed.port) for host in sorted(set(answer)))
        return failed


def lookup_of_family(family: socket.AddressFamily) -> Lookup:
    """A look-up by the system's resolver, for the address family that the node's socket sends to."""

    async def lookup(host: str, port: int) -> Iterable[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
        except UnicodeError as error:  # a name that IDNA cannot encode
            raise OSError(str(error)) from None
        return [str(sockaddr[0]) for *_, sockaddr in found]

    return lookup
