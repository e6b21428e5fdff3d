"""Raises the limit of open files: each connection is one, and systems often allow a process 1,024.

A node at the limit could neither accept connections nor write its log.
"""

from __future__ import annotations

import resource

import structlog

BESIDE_CONNECTIONS = 256
"""Files, links to other members, connections that are being refused, and what libraries open."""

log = structlog.stdlib.get_logger("coterie")


def allow_open_files(connections: int) -> int:
    """Raise this process's limit to what so many connections need, or to what the system allows, and say so.

    Returns how many connections leave the node's own files their descriptors.
    """
    needed = connections + BESIDE_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        except (OSError, ValueError):
            allowed = soft  # a system that promises more than it gives
    if allowed < needed:
        log.warning(
            "the system allows fewer open files than http.max_connections needs; raise the limit (ulimit -n, "
            "LimitNOFILE=) or lower the setting",
            allowed=allowed,
            needed=needed,
        )
    return min(connections, max(1, allowed - BESIDE_CONNECTIONS))
