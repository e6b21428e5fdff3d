"""The OpenAPI document says what is answered, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from coterie.app.api.app import create_app
from coterie.app.api.parameters.documenting import ANYWHERE
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code
from coterie.gossip import GossipNode
from tests.app.api.keys import test_gossip as test_gossip_keys
from tests.app.api.keys import test_metadata as test_metadata_keys
from tests.app.api.keys import test_txn
from tests.app.api.locks import test_leases_and_queues
from tests.app.http import test_api

pytestmark = pytest.mark.anyio

HOT = ("/v1/kv/{key}", "/v1/meta/{key}")


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Any:
    return (await client.get("/openapi.json")).json()


def operations(document: Any) -> list[tuple[str, str, Any]]:
    """(method, path, operation) of each."""
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def find(document: Any, method: str, url: str) -> Any:
    """The operation behind a URL; None where there is none."""
    path = url.partition("?")[0]
    fitting = [
        (template, operation)
        for of_method, template, operation in operations(document)
        if of_method == method and re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)), path)
    ]
    # The longest template is the closest: /v1/leases/{lease}/keepalive before /v1/leases/{lease}.
    return max(fitting, key=lambda each: len(each[0]), default=(None, None))[1]


async def test_each_endpoint_is_there_once(document: Any) -> None:
    assert {path: list(item) for path, item in document["paths"].items()} == {
        "/": ["get"],
        "/livez": ["get"],
        "/readyz": ["get"],
        "/healthz": ["get"],
        "/metrics": ["get"],
        "/set_kv": ["get"],
        "/mark_for_deletion": ["get"],
        "/v1/members": ["get"],
        "/v1/members/{node_id}": ["get", "delete"],
        "/v1/leave": ["post"],
        "/v1/cluster": ["get"],
        "/v1/events": ["get"],
        "/v1/ws": ["get"],
        "/v1/kv": ["get"],
        "/v1/kv/{key}": ["get", "put", "delete"],
        "/v1/meta": ["get", "delete"],
        "/v1/meta/{key}": ["get", "put", "delete"],
        "/v1/txn": ["post"],
        "/v1/watch": ["get"],
        "/v1/leases": ["post", "get"],
        "/v1/leases/{lease}": ["get", "delete"],
        "/v1/leases/{lease}/keepalive": ["post"],
        "/v1/locks": ["get"],
        "/v1/locks/{name}": ["post", "delete", "get"],
        "/v1/semaphores": ["get"],
        "/v1/semaphores/{name}": ["post", "delete", "get"],
        "/v1/elections": ["get"],
        "/v1/elections/{name}": ["post", "delete", "get", "put"],
        "/v1/raft/statement": ["get"],
        "/v1/raft/status": ["get"],
        "/v1/raft/members": ["get"],
        "/v1/raft/members/{member}": ["delete"],
        "/v1/raft/decisions": ["get"],
        "/v1/raft/transfer": ["post"],
        "/v1/raft/leave": ["post"],
        "/v1/raft/compact": ["post"],
        "/v1/raft/founding": ["delete"],
        "/v1/raft/snapshot": ["get"],
        "/v1/request_ids": ["post"],
        "/v1/tokens": ["post", "get"],
        "/v1/tokens/self": ["get"],
        "/v1/tokens/{token}": ["delete"],
        "/v1/tokens/{token}/rotate": ["post"],
    }


async def test_operations_have_names_of_their_own(document: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)


async def test_parameters_of_the_first_endpoints_are_those_that_are_checked(document: Any) -> None:
    parameters = {
        path: [
            (p["name"], p["in"], p["required"], p["schema"].get("minLength"))
            for p in document["paths"][path]["get"]["parameters"]
        ]
        for path in ("/set_kv", "/mark_for_deletion")
    }
    key, value = ("key", "query", True, 1), ("value", "query", True, None)
    assert parameters == {"/set_kv": [key, value], "/mark_for_deletion": [key]}


async def test_parameters_of_the_hot_paths_are_those_that_are_read(document: Any) -> None:
    """They are read by hand: what is documented must be what `fast_paths.py` reads."""
    for path, method, names in [
        ("/v1/kv/{key}", "get", {"key", "node", "raw", "consistency"}),
        ("/v1/kv/{key}", "put", {"key", "ttl", "consistency"}),
        ("/v1/kv/{key}", "delete", {"key", "ttl", "consistency"}),
        (
            "/v1/meta/{key}",
            "get",
            {"key", "raw", "revision", "consistency", "timeout", "Coterie-Timeout", "If-Match", "If-None-Match"},
        ),
        (
            "/v1/meta/{key}",
            "put",
            {
                "key",
                "lease",
                "prev",
                "timeout",
                "Coterie-Timeout",
                "Coterie-Request-Id",
                "If-Match",
                "If-None-Match",
            },
        ),
        (
            "/v1/meta/{key}",
            "delete",
            {"key", "prev", "timeout", "Coterie-Timeout", "Coterie-Request-Id", "If-Match", "If-None-Match"},
        ),
    ]:
        operation = document["paths"][path][method]
        assert {p["name"] for p in operation["parameters"]} == names
        assert ("requestBody" in operation) == (method == "put")


async def test_no_answer_of_the_framework_is_left(document: Any) -> None:
    for _, path, operation in operations(document):
        assert "default" in operation["responses"], path
        assert "422" not in operation["responses"], path
        assert not {status for status in operation["responses"] if status.startswith("2")} - {"200"}
    assert {name for name in document["components"]["schemas"] if "Validation" in name} == set()


def refusals() -> list[tuple[str, str, int, str]]:
    """(method, url, status, code) of every refusal that the other tests see."""
    found = [("GET", url, status, code) for url, status, code, *_ in test_api.REFUSED]
    found += [(method, url, status, code) for method, url, _, status, code, *_ in test_gossip_keys.REFUSED]
    found += [(method, url, status, error["code"]) for method, url, _, status, error in test_metadata_keys.REFUSED]
    found += [
        (method, url, status, error["code"]) for method, url, _, status, error in test_leases_and_queues.LEASE_REFUSALS
    ]
    found += [(method, url, status, code) for method, url, _, status, code, *_ in test_leases_and_queues.QUEUE_REFUSALS]
    found += [("POST", "/v1/txn", status, code) for _, status, code, *_ in test_txn.REFUSED]
    found += [
        (method, "/v1/meta/a", status, code)
        for method in ("PUT", "DELETE")
        for _, _, status, code, _ in test_metadata_keys.STORE_REFUSALS
        if code not in {"refused", "key_not_found"} and (method == "PUT" or code not in {"too_many_keys", "lease_full"})
    ]
    return found


async def test_every_refusal_is_documented_where_it_happens(document: Any, subtests: pytest.Subtests) -> None:
    for method, url, status, code in refusals():
        with subtests.test(f"{method} {url[:40]} {code}"):
            operation = find(document, method, url)
            if operation is None:
                assert status in {404, 405, 400}
                continue
            responses = operation["responses"]
            response = responses["default"] if code in ANYWHERE else responses[str(status)]
            assert f"`{code}` ({status})" in response["description"]
            assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}


async def test_every_code_is_documented(document: Any) -> None:
    assert document["components"]["schemas"]["Code"]["enum"] == [code.value for code in Code]
    described = " ".join(
        response["description"]
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
    )
    assert [code for code in Code if f"`{code}`" not in described] == []


async def test_everything_is_described(document: Any) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"], where
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (where, parameter["name"])
            assert parameter["schema"].get("examples"), (where, parameter["name"])
        success = "101" if path == "/v1/ws" else "200"
        assert "Successful Response" not in operation["responses"][success]["description"], where
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name


async def test_the_document_is_valid_and_complete(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    referred = set(re.findall(r"#/components/schemas/([\w.-]+)", json.dumps(document)))
    schemas = set(document["components"]["schemas"])
    assert referred <= schemas
    # What travels over WebSockets and streams is answered by no operation.
    assert schemas - referred <= {"LiveMessage", "AnyEvent", "Subscribe", "PingMessage"}


async def test_every_route_is_documented(node: GossipNode, document: Any) -> None:
    """Each with all its methods, but for the page that shows the document, and the spelling with a slash at the end."""
    context = create_app(node, HttpSettings())
    routes = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in routes_of(context)
        for method in (route.methods or set()) - {"HEAD"}
    }
    documented = {(path, method) for path, item in document["paths"].items() for method in item}
    docs = {"/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"}
    own = docs | {"/ui", "/ui/{name}"}
    unsaid = {(path, method) for path, method in routes - documented if path not in own}
    assert {(path, method) for path, method in unsaid if (path.rstrip("/"), method) not in documented} == set()
    assert documented <= routes


def routes_of(app: Any) -> list[Route]:
    """Of the framework's application, which stands behind middleware."""
    while not hasattr(app, "routes"):
        app = getattr(app, "_app", None) or getattr(app, "app", None) or app._rest
    return [route for route in app.routes if isinstance(route, Route)]
