"""The `syncobj_admin` commands over our links: at the member that answers them, and from outside.

    python -m coterie.consensus.pysyncobj.admin -conn HOST:PORT [-pass WORD] -status | -add NODE | ...

PySyncObj's own command speaks pickle to whoever calls (fault 6). Here a caller proves the password as a member does,
says one typed command, gets one answer, and never becomes a member.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from coterie.consensus.pysyncobj.codec import decode, encode
from coterie.consensus.pysyncobj.settings import CLUSTER, address_of, secret_of
from coterie.consensus.raft.errors import (
    RaftError,
    RaftRefusedError,
    RaftUnavailableError,
    RaftUnknownOutcomeError,
)
from coterie.consensus.raft.net.session import NONCE_BYTES, Identity, LinkSession
from coterie.consensus.raft.net.tcp import GUEST, Link

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 70.0
"""Longer than any call takes at the member."""

MAX_ANSWER_BYTES: Final = 1 << 20

HERE: Final = "here"
"""After the node of a change: the one that is asked leads, or refuses."""

Command = list[Any]
"""`["status"]`, `["add", node]`, `["remove", node]`, `["set_version", number]`, `["transfer", node or ""]`."""


def serve(handle: Callable[[Command, Callable[[Any], None]], None]) -> Callable[[Link, bytes], None]:
    """What a transport calls with a guest's message. `handle(command, answer)` calls `answer` once."""

    def received(link: Link, body: bytes) -> None:
        def answer(content: Any) -> None:
            if not link.closed:
                link.put(link.session.send(encode(content, "the answer")))

        try:
            handle(decode(body), answer)
        except Exception as error:  # noqa: BLE001 - whatever was wrong with the command, its caller hears it
            answer(str(error))

    return received


class _Caller(asyncio.Protocol):
    def __init__(self, session: LinkSession, command: Command) -> None:
        self.session = session
        self.command = command
        self.asked = False
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            bodies = self.session.feed(data)
            self._flush()
            if self.session.peer is not None and not self.asked:
                self.asked = True
                self.transport.write(self.session.send(encode(self.command, "the command")))
            if bodies and not self.answer.done():
                self.answer.set_result(decode(bodies[0]))
        except (RaftError, ValueError) as error:
            if not self.answer.done():
                self.answer.set_exception(ConnectionError(str(error)))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(ConnectionError("the connection was lost"))

    def _flush(self) -> None:
        self.transport.writelines(self.session.outgoing)
        self.session.outgoing.clear()


async def ask(node: str, secret: bytes, command: Command, tls: ssl.SSLContext | None = None) -> Any:
    """A member's answer to a command: a text, or a dict. Raises OSError, TimeoutError."""
    own = Identity(CLUSTER, GUEST + secrets.token_hex(8), 1, secrets.token_bytes(8), secret)
    session = LinkSession(own, secrets.token_bytes(NONCE_BYTES), dialled=node, max_frame=MAX_ANSWER_BYTES)
    async with asyncio.timeout(ANSWER_SECONDS):
        loop = asyncio.get_running_loop()
        transport, caller = await loop.create_connection(lambda: _Caller(session, command), *address_of(node), ssl=tls)
        try:
            return await caller.answer
        finally:
            transport.abort()


async def change_at(
    leader: str,
    secret: bytes,
    command: Command,
    done: Callable[[RaftError | None, Any], None],
    tls: ssl.SSLContext | None,
) -> None:
    """Have the leader add or remove a voter; `done(error, None)`."""
    try:
        answer = await ask(leader, secret, command, tls)
    except ConnectionRefusedError:
        done(RaftUnavailableError("not_leader", f"{leader} cannot be reached"), None)
    except (OSError, TimeoutError) as error:
        done(RaftUnknownOutcomeError(f"{leader} did not answer: {error}"), None)
    except asyncio.CancelledError:
        done(RaftUnknownOutcomeError("this node was stopped"), None)
        raise
    else:
        done(None if str(answer).startswith("SUCCESS") else RaftRefusedError("not_leader", str(answer)), None)


def executeAdminCommand(args: Sequence[str] | None = None) -> str:  # noqa: N802 - PySyncObj's name
    """As PySyncObj's of that name: the answer, or what is wrong, as a text."""
    parser = ArgumentParser("python -m coterie.consensus.pysyncobj.admin")
    parser.add_argument("-conn", required=True, help="address of a member: host:port, as the members name it")
    parser.add_argument("-pass", dest="password", help="the cluster's password")
    parser.add_argument("-ca", help="connect with TLS: the authority's certificate")
    parser.add_argument("-cert", help="with -ca: the own certificate")
    parser.add_argument("-key", help="with -cert: its key")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("-status", action="store_true")
    asked.add_argument("-add", metavar="NODE")
    asked.add_argument("-remove", metavar="NODE")
    asked.add_argument("-set_version", dest="version", type=int)
    asked.add_argument("-transfer", metavar="NODE", nargs="?", const="", help="hand over leadership, at the leader")
    given = parser.parse_args(args)
    command: Command = ["status"]
    for name in ("add", "remove", "transfer"):
        if getattr(given, name) is not None:
            command = [name, getattr(given, name)]
    if given.version is not None:
        command = ["set_version", given.version]
    try:
        for address in (given.conn, given.add, given.remove):
            if address is not None:
                address_of(address)
        answer = asyncio.run(
            ask(given.conn, secret_of(given.password), command, _context(given.ca, given.cert, given.key))
        )
    except (OSError, TimeoutError, ValueError) as error:
        return f"no answer from {given.conn}: {str(error) or 'no time was left'}"
    return "\n".join(f"{key}: {value}" for key, value in sorted(answer.items())) if type(answer) is dict else answer


def _context(authority: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if authority is None:
        return None
    context = ssl.create_default_context(cafile=authority)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.stdout.write(executeAdminCommand() + "\n")
