"""Refuses query parameters that a route does not have: a misspelt one would be ignored, and something else done.

The documented endpoints `/`, `/set_kv` and `/mark_for_deletion` ignore what they do not know, as chitchat's do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import parse_qsl

from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from coterie.app.http.admission import ALWAYS
from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code

V1 = b"/v1/"

SIMILAR = 0.6
"""What difflib takes for similar, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Names:
    query: frozenset[str]
    headers: frozenset[str]


class KnownParameters:
    """Of all routes, as the OpenAPI document has them."""

    def __init__(self, routes: Iterable[BaseRoute], more: Mapping[str, Iterable[str]]) -> None:
        """`more`: by path, what its handlers judge themselves: parameters of the other layer."""
        self._routes = [
            (route, _names(route, more.get(route.path, ()))) for route in routes if isinstance(route, APIRoute)
        ]

    def check(self, scope: Scope) -> None:
        """Raises ApiError for a parameter that the route does not have."""
        raw: bytes = scope["query_string"]
        if not raw or not (scope["raw_path"].startswith(V1) or scope["raw_path"] in ALWAYS):
            return
        names = self._find(scope)
        if names is None:
            return
        for name, _ in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
            if name not in names.query:
                raise _refusal(name, names)

    def _find(self, scope: Scope) -> _Names | None:
        if scope["type"] == "websocket":
            scope = {**scope, "type": "http", "method": "GET"}
        return next((names for route, names in self._routes if route.matches(scope)[0] is Match.FULL), None)


def _names(route: APIRoute, more: Iterable[str]) -> _Names:
    found: dict[object, set[str]] = {ParamTypes.query: set(more), ParamTypes.header: set()}
    for field in get_flat_params(route.dependant):
        found.setdefault(getattr(field.field_info, "in_", None), set()).add(field.alias)
    return _Names(frozenset(found[ParamTypes.query]), frozenset(found[ParamTypes.header]))


def _refusal(name: str, names: _Names) -> ApiError:
    written = {_plain(each): each for each in names.query} | {
        _plain(each): f"the header {each}" for each in names.headers - names.query
    }
    nearest = get_close_matches(_plain(name), written, n=1, cutoff=SIMILAR)
    if nearest:
        advice = f"did you mean {written[nearest[0]]}?"
    elif names.query:
        advice = f"it takes {', '.join(sorted(names.query))}"
    else:
        advice = "it takes none"
    return ApiError(Code.INVALID_REQUEST, f"there is no parameter {name!r} at this path; {advice}", name)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
