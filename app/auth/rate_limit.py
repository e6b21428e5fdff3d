"""Limits how many wrong tokens an address may send, in bounded memory.

A right token always passes: 256 bits are not found by trying, and one forgotten client with an old token shall not lock
out others behind its address. The limit keeps the audit log and the leader from being flooded.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code

IPV6_PREFIX_BITS = 64
"""What one subscriber has: counting single addresses would count nothing."""


class WrongTokenLimiter:
    def __init__(self, most: int, window: float, max_addresses: int) -> None:
        """`window`: seconds."""
        self._most = most
        self._window = window
        self._max_addresses = max_addresses
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()  # -> when the window began, wrong tokens

    def wrong(self, address: str, now: float) -> ApiError | None:
        """Count a wrong token; what to answer where there were too many."""
        key = _group(address)
        since, count = self._counts.pop(key, (now, 0))
        if now - since >= self._window:
            since, count = now, 0
        self._counts[key] = (since, min(count + 1, self._most + 1))
        if len(self._counts) > self._max_addresses:
            self._counts.popitem(last=False)
        if count < self._most:
            return None
        left = max(1, math.ceil(since + self._window - now))
        return ApiError(
            Code.TOO_MANY_TRIES,
            f"more than auth.max_tries = {self._most} wrong tokens came from this address; wait {left} s",
            headers={"Retry-After": str(left)},
        )

    def __len__(self) -> int:
        return len(self._counts)


def _group(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(int(parsed) >> (128 - IPV6_PREFIX_BITS))
    return address
