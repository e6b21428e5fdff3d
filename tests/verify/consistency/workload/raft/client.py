"""One client of the metadata over HTTP: does one thing after another, and writes down what it did and saw.

An operation is all its tries under one request id. It ends answered; refused, when no try can have had an effect; or
unknown, as soon as one try may have had one and none was answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from random import Random

from tests.verify.consistency.contract import NodeHandle
from tests.verify.consistency.workload.choosing import Chooser, address_of
from tests.verify.consistency.workload.http_client import Answer, Caller, GoneError
from tests.verify.consistency.workload.raft.words import Call, call_of, result_of
from tests.verify.linearizability import Operation
from tests.verify.linearizability.histories import requests as words

SERVER_SECONDS = 1.5
"""What a request is given on the server."""

TRY_SECONDS = 3.0
"""When a client gives a try up: a paused node takes connections and says nothing."""

PATIENCE_SECONDS = 6.0
"""How long a client that retries goes on with one write."""

RETRY_PAUSE_SECONDS = 0.05

ID_SECONDS = 20.0
"""For how long the time of one request id is used in others: far below `request_window_ms`."""


class Raft:
    """What the clients of a run share: where operations are written down, and their ids."""

    def __init__(self, write: Callable[[Operation], None], salt: str) -> None:
        """`salt` tells the request ids of this run from those of any other."""
        self._write = write
        self._numbers = count(1)
        self.salt = salt
        self.operations = 0
        self.internal_errors: list[str] = []
        """Answers that no node may give, whatever the faults: status 500."""

    def next_id(self) -> str:
        return f"o{next(self._numbers)}"

    def record(self, operation: Operation) -> None:
        self.operations += 1
        self._write(operation)


class RaftClient:
    def __init__(self, name: str, raft: Raft, chooser: Chooser, rng: Random, *, patient: bool) -> None:
        """`patient`: whether it tries a write again, under its request id."""
        self.name = name
        self._raft = raft
        self._chooser = chooser
        self._rng = rng
        self._patient = patient
        self._caller = Caller()
        self._id_time: tuple[str, float] | None = None

    def close(self) -> None:
        self._caller.close()

    def next_id(self) -> str:
        return self._raft.next_id()

    async def do(
        self,
        request: words.Request,
        *,
        id_: str = "",
        lease: int = 0,
        wait: float = 0.0,
        node: NodeHandle | None = None,
        seconds: float = SERVER_SECONDS,
    ) -> Operation:
        """One operation, written down. `lease`, `wait`: of locks. `node`: where it is tried first."""
        id_ = id_ or self._raft.next_id()
        call = call_of(request, lease=lease, wait=wait)
        reads = isinstance(request, words.Get | words.Range)
        node = node or self._chooser.node()
        named = "" if reads else await self._request_id(node, id_)
        invoked = time.monotonic()
        doubt, error = False, ""
        while True:
            answer: Answer | None = None
            try:
                answer = await self._try(node, call, named, seconds, wait)
            except GoneError as gone:
                error, doubt = f"gone: {gone}", doubt or gone.sent
            else:
                result = result_of(request, answer)
                if result is not None:
                    return self._end(id_, request, invoked, node, time.monotonic(), result)
                error = answer.code
                doubt = doubt or self._doubtful(answer, request, wait)
                if answer.status == 500:
                    self._raft.internal_errors.append(f"{id_} at {node.name}: {answer.body[:200]!r}")
            final = answer is not None and answer.status not in {503, 504}
            late = time.monotonic() - invoked > PATIENCE_SECONDS
            if reads or final or late or not (self._patient and named):
                unknown = doubt and not reads
                returned = None if unknown else time.monotonic()
                return self._end(id_, request, invoked, node, returned, None, error)
            await asyncio.sleep(RETRY_PAUSE_SECONDS)
            node = self._chooser.node(other_than=node.name)

    @staticmethod
    def _doubtful(answer: Answer, request: words.Request, wait: float) -> bool:
        """Whether the try may have had an effect. A lock that was waited for may be granted as the wait ends, and may
        have been had by a try whose answer a node did not hear."""
        gave_up = isinstance(request, words.Acquire) and wait > 0 and answer.code == "busy"
        return answer.status in {500, 504} or gave_up or answer.code == "grant_ended"

    async def _try(self, node: NodeHandle, call: Call, named: str, seconds: float, wait: float) -> Answer:
        headers = {"coterie-timeout": f"{seconds:g}", **call.headers}
        if named:
            headers["coterie-request-id"] = named
        limit = TRY_SECONDS - SERVER_SECONDS + seconds + wait
        return await self._caller.ask(address_of(node), call.method, call.path, call.body, headers, seconds=limit)

    async def _request_id(self, node: NodeHandle, id_: str) -> str:
        """A name for a write; its time is that of an id that the cluster gave lately. None now: the write has none."""
        now = time.monotonic()
        if self._id_time is None or now - self._id_time[1] > ID_SECONDS:
            try:
                answer = await self._caller.ask(address_of(node), "POST", "/v1/request_ids", seconds=TRY_SECONDS)
            except GoneError:
                return ""
            if answer.status != 200:
                return ""
            self._id_time = answer.json()["request_id"].partition("-")[0], now
        return f"{self._id_time[0]}-{self._raft.salt}.{id_}"

    async def ask(
        self,
        node: NodeHandle,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        name: str = "",
        seconds: float = TRY_SECONDS,
    ) -> Answer:
        """A request that is no operation of the history. `name`: makes it happen at most once. Raises GoneError."""
        headers = {"coterie-timeout": f"{SERVER_SECONDS:g}"}
        if name and (named := await self._request_id(node, name)):
            headers["coterie-request-id"] = named
        return await self._caller.ask(address_of(node), method, path, body, headers, seconds=seconds)

    def _end(
        self,
        id_: str,
        request: words.Request,
        invoked: float,
        node: NodeHandle,
        returned: float | None,
        result: words.Result | None,
        error: str = "",
    ) -> Operation:
        operation = Operation(id_, self.name, request, invoked, returned, result, error, node.name)
        self._raft.record(operation)
        return operation
