"""The OpenAPI document says what is answered, and nothing else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.errors import Code
from tests.app.test_api import REFUSED

pytestmark = pytest.mark.anyio


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Any:
    return (await client.get("/openapi.json")).json()


async def test_each_endpoint_is_there_once(document: Any) -> None:
    assert {path: list(operations) for path, operations in document["paths"].items()} == {
        "/": ["get"],
        "/set_kv": ["get"],
        "/mark_for_deletion": ["get"],
    }


async def test_parameters_are_those_that_are_checked(document: Any) -> None:
    parameters = {
        path: [(p["name"], p["in"], p["required"], p["schema"].get("minLength")) for p in item["get"]["parameters"]]
        for path, item in document["paths"].items()
        if "parameters" in item["get"]
    }
    key, value = ("key", "query", True, 1), ("value", "query", True, None)
    assert parameters == {"/set_kv": [key, value], "/mark_for_deletion": [key]}


async def test_no_answer_of_the_framework_is_left(document: Any) -> None:
    statuses = {path: set(item["get"]["responses"]) for path, item in document["paths"].items()}
    assert statuses == {
        "/": {"200", "default"},
        "/set_kv": {"200", "400", "403", "413", "507", "default"},
        "/mark_for_deletion": {"200", "400", "403", "413", "default"},
    }
    assert {name for name in document["components"]["schemas"] if "Validation" in name} == set()


async def test_every_refusal_is_documented_where_it_happens(document: Any) -> None:
    for url, status, code, *_ in REFUSED:
        path = url.partition("?")[0]
        item = document["paths"].get(path.rstrip("/") or "/")
        if item is None:
            continue
        responses = item["get"]["responses"]
        response = responses.get(str(status), responses["default"])
        assert f"`{code}` ({status})" in response["description"], url
        assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}


async def test_every_code_is_documented(document: Any) -> None:
    assert document["components"]["schemas"]["Code"]["enum"] == [code.value for code in Code]
    described = " ".join(
        response["description"] for item in document["paths"].values() for response in item["get"]["responses"].values()
    )
    assert [code for code in Code if f"`{code}`" not in described] == []


async def test_everything_is_described(document: Any) -> None:
    for item in document["paths"].values():
        operation = item["get"]
        assert operation["summary"]
        assert operation["description"]
        assert all(p["description"] and p["schema"]["examples"] for p in operation.get("parameters", []))
        assert "Successful Response" not in operation["responses"]["200"]["description"]
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name
