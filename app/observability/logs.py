"""Logs: coloured lines on a terminal, one JSON object a line elsewhere, all on standard error.

Records of the standard library's loggers (uvicorn, asyncio) get the same form and fields: `timestamp` (ISO 8601, UTC),
`level`, `logger`, `event`, and the line's own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from coterie.app.settings.tables import LogSettings


def configure_logs(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send all logs of the process to `stream` (standard error), in the format and from the level that are set."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    console = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_for_people(colors=has_colors(stream)) if console else _for_machines()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    # uvicorn warns of every request that is none: whoever can connect could fill the log.
    debug = settings.level == "debug"
    logging.getLogger("uvicorn.error").setLevel(logging.DEBUG if debug else logging.ERROR)


def has_colors(stream: TextIO) -> bool:
    """Whether to colour what is written to `stream`: terminals, but for NO_COLOR and FORCE_COLOR in the environment."""
    if os.environ.get("NO_COLOR"):
        return False
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


def _for_people(*, colors: bool) -> list[Processor]:
    return [
        _short_time,
        _only_printable,
        structlog.dev.ConsoleRenderer(
            colors=colors, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _short_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Milliseconds are enough for eyes."""
    event["timestamp"] = event["timestamp"][:23] + "Z"
    return event


def _only_printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Names come from other hosts: they shall not move the cursor, nor begin lines of their own."""
    return {
        key: _Escaped(value) if isinstance(value, str) and not value.isprintable() and key != "exception" else value
        for key, value in event.items()
    }


class _Escaped:
    """Text that shows its control characters by their codes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return ascii(self._text)


def _for_machines() -> list[Processor]:
    return [structlog.processors.format_exc_info, _render_json]


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    try:
        return orjson.dumps(event, default=repr).decode()
    except TypeError:  # a number past 64 bits, or half of a surrogate pair
        return json.dumps(event, default=repr)
