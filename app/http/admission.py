"""Admission: refuses requests under overload, with `Retry-After`, before memory grows.

Every queue of a node is bounded; `docs/limits.md` lists them. This bounds what all requests hold together: bodies that
wait, and answers that clients do not read. Health checks and metrics always pass.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from starlette.types import Scope

from coterie.app.http.errors import ApiError
from coterie.app.observability.metrics.http import ETCD_GRPC_STREAMS, HttpMetrics
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code

ALWAYS = frozenset({b"/livez", b"/readyz", b"/healthz", b"/metrics"})
"""An overloaded node must be able to say so."""

_OF_ETCD = (b"/watch", b"/lease/keepalive", b"/election/observe", b"/election/campaign", b"/lock/lock")

STREAMS = frozenset(
    {
        *(b"/v1/watch", b"/v1/ws", b"/v1/events"),
        *(mount + path for mount in (b"/v3", b"/v3beta", b"/v1/etcd") for path in _OF_ETCD),
        *(name.encode() for name in ETCD_GRPC_STREAMS),
    }
)
"""Stay for as long as the client likes, under limits of their own."""

UNKNOWN_LENGTH = b"transfer-encoding"


@dataclass(frozen=True, slots=True)
class Held:
    """What a request holds: its token, its client's address, the bytes of its body. Empty: not counted."""

    token: str
    client: str = ""
    body: int = 0


class RequestAdmission:
    """Counts what requests hold from `enter` to `leave`."""

    def __init__(self, limits: HttpSettings, figures: HttpMetrics) -> None:
        self._limits = limits
        self._figures = figures
        self._of_client: Counter[str] = Counter()
        self._of_token: Counter[str] = Counter()
        self._body_bytes = 0

    def enter(self, scope: Scope, token: str) -> Held | None:
        """Let a request in: what `leave` is to be called with; None for what is not counted. Raises ApiError.

        `token`: the id of its token, where that has a share of its own.
        """
        if scope["raw_path"] in ALWAYS:
            return None
        limits = self._limits
        if token and self._of_token[token] >= limits.max_requests_per_token:
            raise self._refused(
                Code.TOO_MANY_REQUESTS,
                "as many requests of this token, streams among them, as http.max_requests_per_token = "
                f"{limits.max_requests_per_token} are under way",
                0 if scope["type"] == "websocket" else 1,
            )
        if scope["raw_path"] in STREAMS or scope["type"] == "websocket":
            return self._hold(Held(token)) if token else None
        size = self._body_size(scope) if scope["method"] not in {"GET", "HEAD"} else 0
        client = scope.get("client")
        name: str = client[0] if client else "unknown"
        if self._of_client[name] >= limits.max_requests_per_client:
            raise self._refused(
                Code.TOO_MANY_REQUESTS,
                "as many requests of this address as http.max_requests_per_client = "
                f"{limits.max_requests_per_client} are under way",
                size,
            )
        figures = self._figures
        if figures.unsent and (unsent := figures.unsent_bytes()) > limits.max_unsent_bytes:
            raise self._refused(
                Code.OVERLOADED,
                f"clients have yet to take {unsent} bytes of answers, more than http.max_unsent_bytes = "
                f"{limits.max_unsent_bytes}",
                size,
            )
        if size and self._body_bytes and self._body_bytes + size > limits.max_bodies_bytes:
            raise self._refused(
                Code.OVERLOADED,
                f"the bodies of requests under way take http.max_bodies_bytes = {limits.max_bodies_bytes} already",
                size,
            )
        return self._hold(Held(token, name, size))

    def _hold(self, held: Held) -> Held:
        if held.token:
            self._of_token[held.token] += 1
        if held.client:
            self._of_client[held.client] += 1
        self._body_bytes += held.body
        return held

    def leave(self, held: Held | None) -> None:
        """The request is over."""
        if held is None:
            return
        self._body_bytes -= held.body
        if held.token:
            _less(self._of_token, held.token)
        if held.client:
            _less(self._of_client, held.client)

    def _body_size(self, scope: Scope) -> int:
        """What the body takes at most."""
        largest = self._limits.max_body_bytes
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return min(int(value), largest)
            if name == UNKNOWN_LENGTH:
                return largest
        return 0

    def _refused(self, code: Code, message: str, size: int) -> ApiError:
        """A body is not waited for: then the connection ends with the answer."""
        self._figures.refused[code] += 1
        return ApiError(code, message, closes=size > 0)


def _less(counter: Counter[str], key: str) -> None:
    """One less; nothing is kept of what is at zero."""
    left = counter[key] - 1
    if left:
        counter[key] = left
    else:
        del counter[key]
