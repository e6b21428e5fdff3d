"""Whether what was printed is what a page shows: `...` stands for anything, the rest for itself.

In text, `...` within a line stands for any characters of it, and as a line of its own for any lines. In JSON, the text
"..." stands for any value, as the last item of a list for any further ones, and as a key for any further keys; text
with `...` in it matches as a line does.
"""

from __future__ import annotations

import json
import re
from typing import Any

ANY = "..."


def text_matches(shown: str, printed: str) -> bool:
    """Compare line by line, without what stands at the ends of lines."""
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() == ANY else _pattern_of(line.rstrip()) + r"[ \t]*\n"
        for line in shown.strip("\n").splitlines()
    )
    ended = "".join(line.rstrip() + "\n" for line in printed.strip("\n").splitlines())
    return re.fullmatch(pattern, ended) is not None


def json_matches(shown: str, printed: str) -> bool:
    """Compare one JSON document with another."""
    try:
        value = json.loads(printed)
    except ValueError:
        return False
    return _value_matches(json.loads(shown), value)


def _value_matches(shown: Any, value: Any) -> bool:
    match shown:
        case "...":
            return True
        case str():
            return isinstance(value, str) and re.fullmatch(_pattern_of(shown), value) is not None
        case dict():
            if not isinstance(value, dict):
                return False
            named = {key: each for key, each in shown.items() if key != ANY}
            known = all(key in value and _value_matches(each, value[key]) for key, each in named.items())
            return known and (ANY in shown or len(named) == len(value))
        case [*items, "..."]:
            return isinstance(value, list) and _items_match(items, value[: len(items)])
        case list():
            return isinstance(value, list) and _items_match(shown, value)
    return bool(shown == value and isinstance(value, bool) == isinstance(shown, bool))


def _items_match(shown: list[Any], values: list[Any]) -> bool:
    return len(shown) == len(values) and all(map(_value_matches, shown, values))


def _pattern_of(line: str) -> str:
    return ".*".join(map(re.escape, line.split(ANY)))
