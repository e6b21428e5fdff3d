"""Text for a terminal: what other hosts chose shall not move the cursor, nor begin lines of its own."""

from __future__ import annotations

from datetime import UTC, datetime


def clean(text: str) -> str:
    """Shows control characters by their codes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def ago(seconds: float) -> str:
    """A time span in the largest unit that fits, such as `3.2 s` or `5 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"


def size(count: int) -> str:
    """Bytes in a unit that fits."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def when(seconds: float) -> str:
    """Unix seconds as local time."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(" ", "seconds")


def clock(seconds: float) -> str:
    """Unix seconds as the local time of day."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
