"""The audit log: a line for each refused request, and for each administrative one.

It names tokens by their ids, never by their secrets, and paths without their queries, which hold values.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import orjson
import structlog

from coterie.app.auth.rules import Principal, Right
from coterie.app.http.errors import ApiError

MAX_LOGGED_CHARACTERS = 256
"""Of a path: whoever sends a long one shall not fill the disk sooner."""


class _PrivateFileHandler(WatchedFileHandler):
    """Makes the file, and each that follows a rotated one, for this user alone."""

    def _open(self) -> Any:
        os.close(os.open(self.baseFilename, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        return super()._open()


class Audit:
    def __init__(self, file: Path | None) -> None:
        """`file`: None for the log. Raises OSError where it cannot be written."""
        self._log = structlog.stdlib.get_logger("audit")
        self._file: logging.Logger | None = None
        if file is not None:
            handler = _PrivateFileHandler(file, encoding="utf-8")
            handler.setFormatter(logging.Formatter("%(message)s"))
            self._file = logging.Logger("audit file", logging.INFO)
            self._file.addHandler(handler)

    def refused(self, scope: Mapping[str, Any], principal: Principal | None, error: ApiError) -> None:
        self._write("refused", scope, principal, status=error.code.status, code=str(error.code), why=error.message)

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
