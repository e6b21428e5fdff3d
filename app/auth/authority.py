"""Checks the token of every request: whose it is, and whether it allows the request.

A node that holds the metadata checks tokens there, as soon as it applies them. A node with Raft off sends the token to
the leader, and relies on the answer for `auth.cache_seconds`; where no leader can be asked, nothing is allowed. A
forwarded request carries its token, and the leader checks it again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from coterie.app.auth import token_store
from coterie.app.auth.audit import Audit
from coterie.app.auth.rate_limit import WrongTokenLimiter
from coterie.app.auth.routes import rights_of
from coterie.app.auth.rules import Principal, Right, anonymous, read_rule
from coterie.app.http.error_mapping import unavailable
from coterie.app.http.errors import ApiError
from coterie.app.http.forwarding import MARK
from coterie.app.raft.view import RaftView
from coterie.app.settings.auth import AuthSettings
from coterie.app.wire.errors import Code
from coterie.app.wire.tokens import Rule, hash_of, id_of, same

PRINCIPAL = "coterie.principal"
"""Where the ASGI scope says who asks."""

ASK_SECONDS = 2.0
"""For how long the leader is asked of a token."""

LOOK_SECONDS = 1.0
"""How often open streams are looked at: so long one may outlive its token."""

UNCHECKED_SECONDS = 60.0
"""How long a stream goes on whose token nobody can be asked of: longer than elections take."""

MAX_ANSWERS = 10_000
"""Answers of the leader that are remembered."""

PASSED_ON_FACTOR = 50
"""So many times `auth.max_tries` may come from a node that passes requests on."""

_SELF = b"/v1/tokens/self"

_HOT = (b"/v1/meta/", b"/v1/kv/")

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="coterie"'}


AskLeader = Callable[[bytes, float, bytes | None], Awaitable[tuple[int, bytes] | None]]
"""Of path, seconds and Authorization: status and body."""

End = Callable[[bool], None]
"""Ends a stream; the argument: its token is still good, but for less than it was."""


class Authority:
    def __init__(
        self,
        settings: AuthSettings,
        raft: RaftView,
        known_address: Callable[[str], bool],
        ask_leader: AskLeader | None = None,
        *,
        on_loopback: bool,
    ) -> None:
        """`known_address`: whether a node of the cluster has this IP address. `ask_leader`: asks the leader about
        tokens that this node cannot check; None: such tokens are refused. Raises OSError for the audit file."""
        self.audit = Audit(settings.audit_file, settings.audit_refusals_per_second)
        self._raft = raft
        self._known_address = known_address
        self._on_loopback = on_loopback
        self._tries = WrongTokenLimiter(settings.max_tries, settings.tries_window, settings.max_addresses)
        passed_on = settings.max_tries * PASSED_ON_FACTOR
        self._passed_on = WrongTokenLimiter(passed_on, settings.tries_window, settings.max_addresses)
        self._answers: OrderedDict[str, tuple[float, Principal | None]] = OrderedDict()
        self._streams: dict[object, tuple[Principal, float, End]] = {}
        self._ask_leader = ask_leader
        self.settings = settings
        self.swap(settings)

    def swap(self, settings: AuthSettings) -> None:
        """Take another configuration's tokens and anonymous access, for the next request; streams follow."""
        self.settings = settings
        self._configured = {token.id: token for token in settings.tokens}
        level = settings.anonymous
        if level == "auto":
            level = "admin" if self._on_loopback else "none"
        self.anonymous = anonymous(level)
        self.is_open = level == "admin"

    # -- a request -----------------------------------------------------------------------------------------------------

    async def admit(self, scope: Any, shown: bytes | None) -> tuple[Right, ...]:
        """Let a request pass, and say what it asks for. `shown`: its `Authorization`. Raises ApiError."""
        if shown is None and self.is_open:
            scope[PRINCIPAL] = self.anonymous
            return () if scope["raw_path"].startswith(_HOT) else rights_of(scope)
        principal: Principal | None = None
        try:
            principal = await self._principal(scope, shown)
            rights = rights_of(scope)
            if not principal.has(rights):
                raise self._refusal(principal, rights)
        except ApiError as error:
            if error.code in {Code.UNAUTHORIZED, Code.FORBIDDEN}:
                self.audit.refused(scope, principal, error)
            raise
        scope[PRINCIPAL] = principal
        return rights

    def share_of(self, scope: Any) -> str:
        """The id of an admitted request's token, where what it holds is bounded; whatever may administer everything
        may do worse."""
        principal: Principal = scope[PRINCIPAL]
        return "" if not principal.rules or principal.may("*", "admin", "") else principal.id

    def ended(self, scope: Any, rights: tuple[Right, ...], status: int) -> None:
        """An admitted request was answered."""
        if any(right.action == "admin" for right in rights):
            self.audit.done(scope, scope[PRINCIPAL], rights, status)

    def _refusal(self, principal: Principal, rights: tuple[Right, ...]) -> ApiError:
        lacking = next(right for right in rights if not principal.has_right(right))
        if principal.token_hash:
            return ApiError(Code.FORBIDDEN, f"the token {principal.id!r} does not allow to {_words(lacking)}")
        return ApiError(
            Code.UNAUTHORIZED,
            f"to {_words(lacking)} takes a token: send it as Authorization: Bearer <token>; `coterie token new` makes "
            "one, and auth.anonymous says what is allowed without",
            headers=CHALLENGE,
        )

    async def identify(self, scope: Any, shown: bytes | None) -> Principal:
        """Whose token this is. `shown`: an `Authorization`. Raises ApiError."""
        try:
            return await self._principal(scope, shown)
        except ApiError as error:
            if error.code is Code.UNAUTHORIZED:
                self.audit.refused(scope, None, error)
            raise

    async def _principal(self, scope: Any, shown: bytes | None) -> Principal:
        if shown is None:
            return self.anonymous
        token = _bearer(shown)
        token_id = None if token is None else id_of(token)
        if token is None or token_id is None:
            raise self._wrong(scope, "Authorization must be: Bearer coterie_<id>_<64 hexadecimal digits>")
        token_hash = hash_of(token)
        found = self._find(token_id, token_hash)
        if found is None and self._raft.state is None:
            found = await self._ask(
                token_id, token_hash, shown, marked=any(name == MARK for name, _ in scope["headers"])
            )
        if found is None:
            raise self._wrong(
                scope, "this token is not known: it is wrong, was revoked or replaced, or its time is over"
            )
        return found

    def _wrong(self, scope: Any, why: str) -> ApiError:
        address = scope["client"][0] if scope.get("client") else ""
        # A node that passes requests on has counted its clients itself, and has many. Whoever shares its address can
        # say the same: so these are counted too.
        passed_on = any(name == MARK for name, _ in scope["headers"]) and self._known_address(address)
        limited = (self._passed_on if passed_on else self._tries).wrong(address, time.monotonic())
        return limited or ApiError(Code.UNAUTHORIZED, why, "Authorization", headers=CHALLENGE)

    def _find(self, token_id: str, token_hash: str) -> Principal | None:
        """By what this node knows itself."""
        configured = self._configured.get(token_id)
        if configured is not None and same(configured.hash, token_hash):
            return self._proved(token_id, configured.rules, token_hash)
        state = self._raft.state
        if state is None:
            return None
        token = token_store.find(state, token_id)
        now = token_store.now()
        if token is not None and token.has(token_hash, now) and token_store.in_force(state, token, now):
            return self._proved(token_id, token.read_rules(), token_hash)
        return None

    def _proved(self, token_id: str, rules: tuple[Rule, ...], token_hash: str) -> Principal:
        """Whoever shows a token may do no less than whoever shows none."""
        return Principal(token_id, (*rules, *self.anonymous.rules), token_hash)

    async def _ask(self, token_id: str, token_hash: str, shown: bytes, *, marked: bool) -> Principal | None:
        """What the leader says of a token. Raises ApiError where it cannot be asked."""
        held = self._answers.get(token_hash)
        if held is not None and time.monotonic() < held[0]:
            return held[1]
        if not self._raft.enabled and not self._raft.leader_candidates() and not self._raft.picture().members:
            return None  # there is no Raft layer to have tokens
        answer = None if marked or self._ask_leader is None else await self._ask_leader(_SELF, ASK_SECONDS, shown)
        if answer is None or not (answer[0] in {200, 401} or _too_many_tries(*answer)):
            raise unavailable("no_leader", because="nobody can be asked of this token")
        found = None
        if answer[0] == 200:
            rules = tuple(read_rule(rule) for rule in orjson.loads(answer[1])["rules"])
            found = self._proved(token_id, rules, token_hash)
        self._answers[token_hash] = (time.monotonic() + self.settings.cache_seconds, found)
        if len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)
        return found

    # -- streams -------------------------------------------------------------------------------------------------------

    def stream(self, scope: Any, end: End) -> object:
        """An answer that goes on: `end` is called once its token, or what that allowed, is gone. Returns its mark."""
        mark = object()
        principal = scope.get(PRINCIPAL)
        if principal is not None:
            self._streams[mark] = (principal, time.monotonic(), end)
        return mark

    def stream_ended(self, mark: object) -> None:
        self._streams.pop(mark, None)

    async def watch(self) -> None:
        """Ends streams whose authority is gone, for as long as the node runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for mark, (principal, checked, end) in list(self._streams.items()):
                now = self._now(principal)
                if now is not None and all(rule in now.rules for rule in principal.rules):
                    self._streams[mark] = (principal, time.monotonic(), end)
                elif now is not None or self._raft.state is not None or time.monotonic() - checked > UNCHECKED_SECONDS:
                    self._streams.pop(mark, None)
                    end(now is not None and bool(now.rules))

    def _now(self, principal: Principal) -> Principal | None:
        """What it may do now; None: nothing, or, where this node does not hold the metadata, nobody here knows."""
        return self._find(principal.id, principal.token_hash) if principal.token_hash else self.anonymous


def principal_of(scope: Any) -> Principal:
    found: Principal = scope[PRINCIPAL]
    return found


def require(principal: Principal, layer: str, action: Any, start: str) -> None:
    """For handlers that learn from a body what is asked for. Raises ApiError."""
    if not principal.may(layer, action, start):
        raise refusal(principal, Right(layer, action, start))


def refusal(
    principal: Principal,
    right: Right,
    about: str = "",
    parameter: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> ApiError:
    """Of who lacks a right; `about`: more words on what it is that takes the right."""
    wanted = _words(right) + about
    if principal.token_hash:
        message = f"the token {principal.id!r} does not allow to {wanted}"
        return ApiError(Code.FORBIDDEN, message, parameter, details)
    return ApiError(Code.UNAUTHORIZED, f"to {wanted} takes a token", parameter, details, headers=CHALLENGE)


def _words(right: Right) -> str:
    verb = {"read": "read", "write": "write", "admin": "administer"}[right.action]
    where = {"*": "everything", "any": "anything"}.get(right.layer, f"the layer {right.layer!r}")
    return f"{verb} {where}" + (f" at {right.start!r}" if right.start else "")


def _too_many_tries(status: int, body: bytes) -> bool:
    """Whether the leader's answer is that this token is wrong, as too many before it."""
    return status == Code.TOO_MANY_TRIES.status and Code.TOO_MANY_TRIES.value.encode() in body


def _bearer(shown: bytes) -> str | None:
    scheme, _, token = shown.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
