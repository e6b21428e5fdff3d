"""One of the two servers: sends requests in its own numbers, and gives answers in those that both share."""

from __future__ import annotations

import http.client
import json
from bisect import bisect_right
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from tests.app.etcd.differential.requests import Lease, Request, Revision
from tests.waiting import PATIENCE_SECONDS

_REVISIONS = frozenset({"revision", "create_revision", "mod_revision", "compact_revision"})
_OWN = frozenset({"cluster_id", "member_id", "raft_term"})

QUIET_SECONDS = 10.0
"""A server that is to tell as many events as the other one, and tells none for so long, has told all."""


@dataclass
class Side:
    host: str
    port: int
    revisions: list[int] = field(default_factory=list)
    """As this server numbers those that were written, the first being that of its empty store."""
    leases: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_SECONDS)
        status, answer = self.ask(Request("/kv/range", {"key": "AA=="}))
        assert status == 200, answer
        self.revisions.append(int(answer["header"]["revision"]))

    def ask(self, request: Request) -> tuple[int, Any]:
        """Status and answer, as they come."""
        body = json.dumps(self._own(request.body))
        self._connection.request("POST", f"/v3{request.path}", body)
        response = self._connection.getresponse()
        content = response.read()
        try:
            return response.status, json.loads(content)
        except ValueError:
            return response.status, content

    def events(self, request: Request, least: int | None) -> list[Any]:
        """The answers of a watch, in shared numbers: until it has told how far it is, or `least` events, or its end."""
        patience = PATIENCE_SECONDS if least is None else QUIET_SECONDS
        connection = http.client.HTTPConnection(self.host, self.port, timeout=patience)
        body = json.dumps(self._own(request.body))
        if least is None:
            body += '{"progress_request":{}}'
        with closing(connection):
            connection.request("POST", "/v3/watch", body)
            with connection.getresponse() as response:
                if response.status != 200:
                    return [response.status]
                found: list[Any] = []
                while True:
                    try:
                        result = json.loads(response.readline())["result"]
                    except TimeoutError:
                        return found
                    if result.get("canceled"):
                        return [*found, self.shared({key: value for key, value in result.items() if key != "header"})]
                    found += [self.shared(event) for event in result.get("events", ())]
                    told = not (result.get("events") or result.get("created"))
                    if told if least is None else len(found) >= least:
                        return found

    def learn(self, request: Request, status: int, answer: Any) -> None:
        """Take note of what was written and granted."""
        if status != 200 or not isinstance(answer, dict):
            return
        if request.path == "/lease/grant":
            self.leases.append(int(answer["ID"]))
        revision = int(answer.get("header", {}).get("revision", 0))
        if request.path in {"/kv/put", "/kv/deleterange", "/kv/txn", "/lease/revoke", "/kv/lease/revoke"}:
            self.wrote(revision)

    def wrote(self, revision: int) -> None:
        if revision > self.revisions[-1]:
            self.revisions.append(revision)

    def _own(self, value: Any) -> Any:
        match value:
            case Revision():
                return self.revisions[min(value.number, len(self.revisions) - 1)] + value.more
            case Lease():
                return self.leases[value.number]
            case dict():
                return {key: self._own(each) for key, each in value.items()}
            case list():
                return [self._own(each) for each in value]
        return value

    def shared(self, value: Any, name: str = "") -> Any:
        """In shared numbers: revisions and leases by their order."""
        if isinstance(value, dict):
            return {key: self.shared(each, key) for key, each in value.items() if key not in _OWN}
        if isinstance(value, list):
            shown = [self.shared(each, name) for each in value]
            return sorted(shown, key=str) if name in {"leases", "keys"} else shown  # etcd has these in no order
        if name in _REVISIONS and isinstance(value, str):
            return f"revision {bisect_right(self.revisions, int(value))}"
        if name in {"lease", "ID"} and isinstance(value, str):
            lease = int(value)
            # Ids may be chosen again once their lease has ended: the latest one counts.
            last = len(self.leases) - 1 - self.leases[::-1].index(lease) if lease in self.leases else None
            return f"lease {last}" if last is not None else value
        if name == "TTL" and value != "-1":
            return "some"
        return value

    def close(self) -> None:
        self._connection.close()
