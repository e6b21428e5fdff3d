"""The audit log: a line for each refused request, and for each administrative one.

It names tokens by their ids, never by their secrets, and paths without their queries, which hold values. Anybody can
be refused: so lines of refusals are bounded, for each token, and for all that show no good one together.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import orjson
import structlog

from coterie.app.auth.rules import Principal, Right
from coterie.app.http.errors import ApiError

MAX_LOGGED_CHARACTERS = 256
"""Of a path: whoever sends a long one shall not fill the disk sooner."""


WINDOW_SECONDS = 10.0
"""Over this time refusals are counted."""


@dataclass(slots=True)
class _Window:
    since: float
    written: int = 0
    suppressed: int = 0


class _PrivateFileHandler(WatchedFileHandler):
    """Makes the file, and each that follows a rotated one, for this user alone."""

    def _open(self) -> Any:
        os.close(os.open(self.baseFilename, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        return super()._open()


class Audit:
    def __init__(
        self, file: Path | None, refusals_per_second: int = 10, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`file`: None for the log. Raises OSError where it cannot be written."""
        self._most = refusals_per_second * WINDOW_SECONDS
        self._clock = clock
        self._windows: dict[str, _Window] = {}  # by token; those that are good are few
        self._log = structlog.stdlib.get_logger("audit")
        self._file: logging.Logger | None = None
        if file is not None:
            handler = _PrivateFileHandler(file, encoding="utf-8")
            handler.setFormatter(logging.Formatter("%(message)s"))
            self._file = logging.Logger("audit file", logging.INFO)
            self._file.addHandler(handler)

    def refused(self, scope: Mapping[str, Any], principal: Principal | None, error: ApiError) -> None:
        """A line, unless this token had too many; the next one says how many were left out."""
        token = principal.id if principal is not None and principal.token_hash else ""
        now = self._clock()
        window = self._windows.get(token)
        if window is None or now - window.since >= WINDOW_SECONDS:
            window = self._windows[token] = _Window(now, suppressed=0 if window is None else window.suppressed)
        if window.written >= self._most:
            window.suppressed += 1
            return
        window.written += 1
        more = {"suppressed": window.suppressed} if window.suppressed else {}
        window.suppressed = 0
        self._write(
            "refused", scope, principal, status=error.code.status, code=str(error.code), why=error.message, **more
        )

    def done(self, scope: Mapping[str, Any], principal: Principal, rights: tuple[Right, ...], status: int) -> None:
        """`status` 0: the client left before there was an answer."""
        self._write("administered", scope, principal, status=status, layer=rights[0].layer)

    def _write(self, event: str, scope: Mapping[str, Any], principal: Principal | None, **more: Any) -> None:
        client = scope.get("client")
        line = {
            "token": None if principal is None else principal.id,
            "client": client[0] if client else None,
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"][:MAX_LOGGED_CHARACTERS],
            **more,
        }
        if self._file is None:
            self._log.warning(event, **line) if event == "refused" else self._log.info(event, **line)
            return
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "", {"event": event})
        self._file.info(orjson.dumps({**stamp, **line}).decode())

    def close(self) -> None:
        for handler in [] if self._file is None else list(self._file.handlers):
            handler.close()
