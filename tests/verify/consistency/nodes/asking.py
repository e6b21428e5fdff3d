"""The driver's own requests to nodes: few, short, each on a connection of its own. Workloads have their own clients."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

SECONDS = 3.0


class AskError(Exception):
    """No answer, or not one that was hoped for."""


async def ask(url: str, path: str, *, method: str = "GET", body: Any = None, seconds: float = SECONDS) -> Any:
    """The JSON of the answer. Raises AskError, also for every status but 2xx."""
    parts = urlsplit(url)
    content = b"" if body is None else json.dumps(body).encode()
    head = [
        f"{method} {path} HTTP/1.1",
        f"host: {parts.netloc}",
        "connection: close",
        f"content-length: {len(content)}",
    ]
    if body is not None:
        head.append("content-type: application/json")
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write("\r\n".join([*head, "", ""]).encode() + content)
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise AskError(f"{method} {url}{path}: {str(error) or 'no answer in time'}") from None
    status_line, _, rest = answer.partition(b"\r\n")
    _, _, content = rest.partition(b"\r\n\r\n")
    if b" 2" not in status_line[8:10]:
        raise AskError(f"{method} {url}{path}: {status_line.decode(errors='replace')} {content[:300]!r}")
    try:
        return json.loads(content)
    except ValueError:
        raise AskError(f"{method} {url}{path}: the answer was cut off") from None
