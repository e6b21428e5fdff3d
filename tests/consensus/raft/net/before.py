"""A link's side as the release before has it: its hello does not say that callers prove first, and where it is called
it proves with its hello."""

from __future__ import annotations

from typing import Any

import msgspec

from coterie.consensus.raft.net.session import HELLO, Hello, LinkSession

FIELDS = 10
"""Of its hello."""


class SessionBefore(LinkSession):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._mine = msgspec.msgpack.encode(msgspec.msgpack.decode(self._mine)[:FIELDS])
        if self.outgoing:
            self.outgoing.clear()
            self._plain(HELLO, self._mine)

    def _take_hello(self, body: bytes) -> Hello:
        self._hello = msgspec.structs.replace(super()._take_hello(body), proves_first=False)
        return self._hello
