"""Each route of the OpenAPI document is closed: without a token, with a wrong one, with one of too small a right."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from coterie.app.auth.authority import Authority
from coterie.app.auth.routes import EVERYTHING, rights_of
from tests.app.api.conftest import raw_request
from tests.app.auth.conftest import ADMIN, SMALL, WRONG, bearer, code

pytestmark = pytest.mark.anyio

PUBLIC = {"/livez", "/readyz", "/healthz", "/openapi.json", "/docs", "/v1/raft/statement"}
"""Tell nothing of the cluster that matters, and are asked by what has no token."""

FOR_ANY_TOKEN = {"/v1/request_ids", "/v1/tokens/self"}

QUERY = b"key=a&value=b&prefix=a"


async def routes(app: ASGIApp) -> list[tuple[str, str]]:
    """(method, path with its parameters filled in) of all that is documented."""
    document: Any = (await raw_request(app, "GET", b"/openapi.json")).json()
    return [
        (method.upper(), re.sub(r"\{\w+\}", "x", path))
        for path, item in document["paths"].items()
        for method in item
        if method in {"get", "put", "post", "delete", "head", "options", "patch"}
    ]


async def ask(app: ASGIApp, method: str, path: str, token: str | None) -> tuple[int, str]:
    headers = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
    # What may be told is judged after the parameters, of which these two know fewer.
    query = b"prefix=a" if path in {"/v1/events", "/v1/ws"} else QUERY
    answer = await raw_request(app, method, path.encode(), query=query, headers=headers)
    return answer.status, answer.json()["error"]["code"] if answer.status >= 400 else ""


async def test_every_route_has_a_rule(app: ASGIApp) -> None:
    """Whoever adds a route says in `app/auth/routes.py` what it takes; until then it takes everything."""
    asked = {
        (method, path): rights_of(
            {"method": method, "path": path, "raw_path": path.encode(), "query_string": QUERY, "headers": []}
        )
        for method, path in await routes(app)
    }
    assert [route for route, rights in asked.items() if rights is EVERYTHING] == []


@pytest.mark.parametrize(
    ("token", "refusal"),
    [(None, (401, "unauthorized")), (WRONG, (401, "unauthorized")), (SMALL, (403, "forbidden"))],
    ids=["none", "wrong", "small"],
)
async def test_every_route_is_closed(app: ASGIApp, token: str | None, refusal: tuple[int, str]) -> None:
    found = await routes(app)
    assert len(found) > 40
    for method, path in found:
        if path in PUBLIC or (token == SMALL and path in FOR_ANY_TOKEN):
            continue
        assert await ask(app, method, path, token) == refusal, (method, path)


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/v1/kv/", "/v1/meta/", "//", "/V1/kv", "/v1/../v1/kv/a"])
async def test_what_is_no_route_is_closed_too(app: ASGIApp, path: str) -> None:
    assert await ask(app, "GET", path, None) in [(401, "unauthorized"), (400, "empty_parameter")]


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "HEAD", "OPTIONS", "get", "X"])
async def test_methods_that_nobody_serves_are_closed_too(app: ASGIApp, method: str) -> None:
    assert (await ask(app, method, "/v1/kv/a", None))[0] == 401


async def test_what_is_public_needs_no_token(client: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz", "/healthz", "/openapi.json"):
        assert (await client.get(path)).status_code != 401


async def test_the_document_names_the_scheme_for_every_operation(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation.get("security") == [{"bearer": []}], (method, path)


async def test_the_administrator_may_do_everything(client: httpx.AsyncClient) -> None:
    for path in ("/", "/v1/kv", "/v1/members", "/v1/cluster", "/v1/meta", "/v1/tokens", "/metrics"):
        assert (await client.get(path, headers=bearer(ADMIN))).status_code == 200, path
    assert code(await client.get("/nothing", headers=bearer(ADMIN))) == "not_found"


@pytest.mark.parametrize(
    "shown",
    [
        "", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Bearer coterie_admin_", "Bearer x", "Bearer \xff\xfe",
        "Token " + ADMIN, "Bearer " + ADMIN + "0", "Bearer " + ADMIN.upper(), "Bearer " + ADMIN[:-1], ADMIN,
        "Bearer " + ADMIN + " x", "Bearer " + ADMIN + "," + ADMIN, "Bearer coterie_" + "0" * 64,
    ],
)  # fmt: skip
async def test_what_is_no_token_is_refused(app: ASGIApp, shown: str) -> None:
    headers = [(b"authorization", shown.encode("latin-1"))]
    answer = await raw_request(app, "GET", b"/v1/kv", headers=headers)
    assert (answer.status, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert ADMIN not in answer.body.decode()


async def test_two_tokens_in_one_request_are_refused(app: ASGIApp) -> None:
    headers = [(b"authorization", b"Bearer " + ADMIN.encode()), (b"authorization", b"Bearer " + WRONG.encode())]
    assert (await raw_request(app, "GET", b"/v1/kv", headers=headers)).status == 400


@pytest.mark.parametrize("mark", [b"coterie-forwarded", b"x-forwarded-for", b"x-forwarded-user", b"coterie-principal"])
async def test_no_other_header_opens_anything(app: ASGIApp, authority: Authority, mark: bytes) -> None:
    assert (await raw_request(app, "GET", b"/v1/kv", headers=[(mark, b"127.0.0.1")])).status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_written_in_any_case(client: httpx.AsyncClient, scheme: str) -> None:
    assert (await client.get("/v1/kv", headers={"Authorization": f"{scheme} {ADMIN}"})).status_code == 200
