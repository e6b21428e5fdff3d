"""`POST /v1/txn`: each comparison and operation, and every way to be refused."""

from __future__ import annotations

import tracemalloc
from typing import Any

import httpx
import pytest

from coterie.app.api.keys.txn import check_shape
from coterie.app.http.errors import ApiError
from coterie.app.wire.pydantic_models import model_of
from coterie.app.wire.txn import TxnAnswer
from coterie.consensus.api.errors import UnavailableError, UnknownOutcomeError
from tests.app.api.conftest import MAX_BODY_BYTES, Part, error_of

pytestmark = pytest.mark.anyio


async def done(api: httpx.AsyncClient, **body: Any) -> Any:
    answer = await api.post("/v1/txn", json=body)
    assert answer.status_code == 200, answer.text
    model_of(TxnAnswer).model_validate_json(answer.content, strict=True)
    return answer.json()


async def test_every_operation_has_its_result(api: httpx.AsyncClient) -> None:
    for key in ("a", "b/1", "b/2"):
        await api.put(f"/v1/meta/{key}", content="old")
    answer = await done(
        api,
        compare=[{"key": "a", "target": "exists", "operand": 1}],
        then=[
            {"put": {"key": "a", "value": "AP8=", "encoding": "base64", "prev": True}},
            {"get": {"key": "a"}},
            {"get": {"key": "absent"}},
            {"range": {"prefix": "b/", "limit": 1}},
            {"delete": {"key": "b/1", "prev": True}},
            {"delete_prefix": {"prefix": "b/2"}},
            {"put": {"key": "c", "value": "text"}},
        ],
    )
    old = {"value": "old", "encoding": "utf-8", "version": 1, "lease": 0}
    new = {"value": "AP8=", "encoding": "base64", "version": 2, "lease": 0}
    first = {"key": "a", **old, "create_revision": 1, "mod_revision": 1}
    b1 = {"key": "b/1", **old, "create_revision": 2, "mod_revision": 2}
    assert answer == {
        "revision": 4,
        "succeeded": True,
        "results": [
            {"put": {"revision": 4, "prev": first}},
            {"get": {"record": {"key": "a", **new, "create_revision": 1, "mod_revision": 4}}},
            {"get": {"record": None}},
            {"range": {"keys": [b1], "more": True}},
            {"delete": {"revision": 4, "deleted": 1, "prev": [b1]}},
            {"delete_prefix": {"revision": 4, "deleted": 1, "prev": []}},
            {"put": {"revision": 4, "prev": None}},
        ],
    }


async def test_a_body_that_does_not_say_that_it_is_json_is_told_to(api: httpx.AsyncClient) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl -d sends it
    answer = await api.post("/v1/txn", content=b'{"then": [{"get": {"key": "a"}}]}', headers=form)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid_request"
    assert error["parameter"] == "Content-Type"
    assert "must come as Content-Type: application/json, not as application/x-www-form-urlencoded" in error["message"]
    other = (await api.post("/v1/txn", json=[1])).json()["error"]
    assert other["parameter"] == "body"


async def test_otherwise_the_else_operations_are_done(api: httpx.AsyncClient) -> None:
    await api.put("/v1/meta/a", content="x")
    body = {
        "compare": [{"key": "a", "target": "version", "op": "=", "operand": 0}],
        "then": [{"put": {"key": "a", "value": "y"}}],
        "else": [{"get": {"key": "a"}}],
    }
    answer = await done(api, **body)
    assert answer["succeeded"] is False
    assert answer["results"][0]["get"]["record"]["value"] == "x"


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        ({"key": "a", "target": "exists", "operand": 1}, True),
        ({"key": "b", "target": "exists", "operand": 0}, True),
        ({"key": "a", "target": "mod_revision", "op": "=", "operand": 2}, True),
        ({"key": "a", "target": "mod_revision", "op": "<", "operand": 2}, False),
        ({"key": "a", "target": "create_revision", "op": "!=", "operand": 1}, False),
        ({"key": "a", "target": "version", "op": ">", "operand": 1}, True),
        ({"key": "a", "target": "lease", "operand": 0}, True),
        ({"key": "a", "target": "value", "operand": "x"}, True),
        ({"key": "a", "target": "value", "op": "!=", "operand": "eA==", "encoding": "base64"}, False),
        ({"key": "b", "target": "value", "operand": ""}, False),
        ({"held": {"kind": "lock", "name": "l", "token": 3}}, True),
        ({"held": {"kind": "lock", "name": "l", "token": 9}}, False),
        ({"held": {"kind": "election", "name": "l", "token": 3}}, False),
    ],
)
async def test_comparisons(comparison: dict[str, Any], holds: bool, api: httpx.AsyncClient) -> None:
    for value in ("w", "x"):
        await api.put("/v1/meta/a", content=value)
    held = await api.post("/v1/locks/l", json={"ttl": 60})
    assert held.json()["token"] == 3
    assert (await done(api, compare=[comparison]))["succeeded"] is holds


async def test_a_value_or_a_lease_can_be_kept(api: httpx.AsyncClient) -> None:
    lease = (await api.post("/v1/leases", json={"ttl": 60})).json()["lease"]
    await done(api, then=[{"put": {"key": "a", "value": "x", "lease": lease}}])
    await done(api, then=[{"put": {"key": "a", "value": "y", "lease": -1}}])
    await done(api, then=[{"put": {"key": "a", "value": None, "lease": lease}}])
    record = (await api.get("/v1/meta/a")).json()
    assert (record["value"], record["lease"]) == ("y", lease)
    await api.put("/v1/meta/a?lease=keep", content="z")
    assert (await api.get("/v1/meta/a")).json()["lease"] == lease


PUT = {"put": {"key": "a", "value": "x"}}
ONE_OF = "give exactly one of put, delete, delete_prefix, get, range"
REFUSED: list[tuple[dict[str, Any], int, str, str, str | None]] = [
    ({"then": [{}]}, 400, "invalid_request", f"the parameter then.0: {ONE_OF}", "then.0"),
    (
        {"then": [{**PUT, "get": {"key": "a"}}]},
        400,
        "invalid_request",
        f"the parameter then.0: {ONE_OF}",
        "then.0",
    ),
    (
        {"then": [{"put": {"value": "x"}}]},
        400,
        "missing_parameter",
        "the parameter then.0.put.key is missing",
        "then.0.put.key",
    ),
    (
        {"else": [{"get": {"key": ""}}]},
        400,
        "empty_parameter",
        "the parameter else.0.get.key must not be empty",
        "else.0.get.key",
    ),
    (
        {"thn": []},
        400,
        "invalid_request",
        "the parameter thn: Extra inputs are not permitted",
        "thn",
    ),
    (
        {"compare": [{"key": "a", "target": "value", "operand": 1}]},
        400,
        "invalid_request",
        "the parameter compare.0: the operand must be text for the target value, and else a number",
        "compare.0",
    ),
    (
        {"compare": [{"key": "a"}]},
        400,
        "invalid_request",
        "the parameter compare.0: give either key, target and operand, or held",
        "compare.0",
    ),
    (
        {"then": [{"put": {"key": "a", "value": "?", "encoding": "base64"}}]},
        400,
        "invalid_encoding",
        "value is not base64",
        "value",
    ),
    ({"then": [PUT, PUT]}, 400, "duplicate_key", "a transaction may write a key only once", None),
    ({"then": [{"put": {"key": "a", "value": None}}]}, 404, "key_not_found", "there is no such key", None),
    (
        {"then": [{"put": {"key": "a", "value": "x", "lease": 9}}]},
        404,
        "lease_not_found",
        "there is no such lease: it ended, or never was",
        None,
    ),
    *[
        (
            {"then": [operation]},
            403,
            "reserved_key",
            "keys under 'coterie/' are written by the cluster itself",
            "key",
        )
        for operation in (
            {"put": {"key": "coterie/locks/x", "value": ""}},
            {"delete": {"key": "coterie/x"}},
            {"delete_prefix": {"prefix": "coterie/"}},
        )
    ],
]


async def test_what_is_refused_is_named(api: httpx.AsyncClient, part: Part, subtests: pytest.Subtests) -> None:
    for body, status, code, message, parameter in REFUSED:
        with subtests.test(str(body)):
            answer = await api.post("/v1/txn", json=body)
            assert error_of(answer) == {"code": code, "message": message, "parameter": parameter}
            assert answer.status_code == status
            assert part.state.keyspace.revision == 0


async def test_too_many_operations_are_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/txn", json={"then": [{"get": {"key": "a"}}] * 129})
    assert answer.status_code == 400
    assert error_of(answer) == {
        "code": "too_many_ops",
        "message": "each list of a transaction may hold 128 operations",
        "parameter": None,
        "details": {"limit": 128},
    }


async def test_a_body_that_is_no_json_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/txn", content="{", headers={"content-type": "application/json"})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    half = '{"then": [{"put": {"key": "\\ud800", "value": "x"}}]}'
    surrogate = await api.post("/v1/txn", content=half, headers={"content-type": "application/json"})
    assert (surrogate.status_code, error_of(surrogate)["parameter"]) == (400, "then.0.put.key")
    large = await api.post("/v1/txn", content="x" * (MAX_BODY_BYTES + 1))
    assert large.status_code == 413
    assert error_of(large) == {
        "code": "too_large",
        "message": f"the body is larger than http.max_body_bytes = {MAX_BODY_BYTES}",
        "parameter": None,
        "details": {"limit": MAX_BODY_BYTES},
    }


async def test_a_transaction_happens_once(api: httpx.AsyncClient, part: Part) -> None:
    part.metadata.loses_answers = UnknownOutcomeError("the leader went away")
    lost = await api.post("/v1/txn", json={"then": [PUT]})
    assert (lost.status_code, error_of(lost)["code"]) == (504, "outcome_unknown")
    part.metadata.loses_answers = None
    headers = {"Coterie-Request-Id": error_of(lost)["details"]["request_id"]}
    again = await api.post("/v1/txn", json={"then": [PUT]}, headers=headers)
    assert again.json()["revision"] == part.state.keyspace.revision == 1
    part.metadata.fails = UnavailableError("no_leader")
    assert (await api.post("/v1/txn", json={"then": [PUT]})).status_code == 503


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"then":[' + b",".join([b'{"get":{"key":"a"}}'] * 20_000) + b"]}", "too_many_ops"),
        (b'{"compare":[' + b",".join([b"{}"] * 100_000) + b"]}", "too_many_ops"),
        (b'{"then":[' + b",".join([b'{"get":{"key":1}}'] * 100) + b" " * 10_000 + b"]}", "invalid_request"),
        (b'{"then":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "invalid_request"),
        (b"{" + b",".join(b'"a%06d":1' % number for number in range(20_000)) + b"}", "invalid_request"),
    ],
    ids=["gets", "comparisons", "mistakes", "depth", "fields"],
)
def test_a_long_body_is_refused_without_looking_at_all_of_it(body: bytes, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_shape(body, 128)
    assert refused.value.code == code
    assert len(refused.value.message) < 200


def test_items_are_not_made_once_there_are_too_many() -> None:
    """Hundreds of thousands of them fit a body: made, they would take the event loop a tenth of a second."""
    body = b'{"compare":[' + b",".join([b"{}"] * 600_000) + b"]}"
    tracemalloc.start()
    with pytest.raises(ApiError) as refused:
        check_shape(body, 128)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.code == "too_many_ops"
    assert most < 100_000
