"""`/v1/meta`, and `/v1/kv` with `consistency=strong`: revisions, preconditions, lists, and how calls end."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.api.keys.metadata import Precondition
from coterie.app.http.errors import ApiError
from coterie.app.http.request import read_request_id, write_request_id
from coterie.app.wire.keys import (
    MetaDeleteAnswer,
    MetaDeletePrefixAnswer,
    MetaGetAnswer,
    MetaListAnswer,
    MetaPutAnswer,
    RequestIdAnswer,
)
from coterie.app.wire.pydantic_models import model_of
from coterie.consensus.api.errors import RefusedError, UnavailableError, UnknownOutcomeError
from coterie.consensus.api.types import RequestId
from coterie.consensus.store import RefusalCode
from tests.app.api.conftest import Part, error_of

pytestmark = pytest.mark.anyio

BYTES = b"\x00\xff\xfe"


async def test_a_key_is_written_read_and_deleted(api: httpx.AsyncClient) -> None:
    written = await api.put("/v1/meta/jobs/7", content="ready")
    assert written.json() == {"key": "jobs/7", "revision": 1}
    assert written.headers["etag"] == '"1"'
    assert written.headers["cache-control"] == "no-store"
    model_of(MetaPutAnswer).model_validate_json(written.content, strict=True)
    again = await api.put("/v1/meta/jobs/7?prev=true", content="done")
    record = {
        "key": "jobs/7",
        "value": "ready",
        "encoding": "utf-8",
        "create_revision": 1,
        "mod_revision": 1,
        "version": 1,
        "lease": 0,
    }
    assert again.json() == {"key": "jobs/7", "revision": 2, "prev": record}
    model_of(MetaPutAnswer).model_validate_json(again.content, strict=True)

    read = await api.get("/v1/meta/jobs/7")
    expected = {**record, "value": "done", "mod_revision": 2, "version": 2}
    assert read.json() == {**expected, "revision": 2, "consistency": "linearizable"}
    assert read.headers["etag"] == '"2"'
    model_of(MetaGetAnswer).model_validate_json(read.content, strict=True)
    before = await api.get("/v1/meta/jobs/7?revision=1")
    assert before.json() == {**record, "revision": 2, "consistency": "linearizable"}

    deleted = await api.delete("/v1/meta/jobs/7?prev=true")
    assert deleted.json() == {"key": "jobs/7", "revision": 3, "deleted": 1, "prev": expected}
    model_of(MetaDeleteAnswer).model_validate_json(deleted.content, strict=True)
    nothing = await api.delete("/v1/meta/jobs/7")
    assert nothing.json() == {"key": "jobs/7", "revision": 3, "deleted": 0}


async def test_bytes_are_base64_in_json_and_themselves_in_raw(api: httpx.AsyncClient) -> None:
    await api.put("/v1/meta/a", content=BYTES)
    answer = (await api.get("/v1/meta/a")).json()
    assert (answer["encoding"], base64.b64decode(answer["value"])) == ("base64", BYTES)
    bare = await api.get("/v1/meta/a?raw=true")
    assert bare.content == BYTES
    assert bare.headers["content-type"] == "application/octet-stream"
    assert bare.headers["etag"] == '"1"'
    assert bare.headers["coterie-revision"] == "1"
    await api.put("/v1/meta/a", content="é")
    text = await api.get("/v1/meta/a?raw=true&consistency=stale")
    assert (text.text, text.headers["content-type"]) == ("é", "text/plain; charset=utf-8")
    assert text.headers["coterie-consistency"] == "stale"
    assert float(text.headers["coterie-stale-seconds"]) >= 0


async def test_a_key_that_is_no_text_is_shown_in_base64(api: httpx.AsyncClient, part: Part) -> None:
    await part.metadata.put(BYTES, b"x")
    listed = await api.get("/v1/meta")
    model_of(MetaListAnswer).model_validate_json(listed.content, strict=True)
    (record,) = listed.json()["keys"]
    assert (record["key_encoding"], base64.b64decode(record["key"])) == ("base64", BYTES)


async def test_a_stale_answer_says_how_stale(api: httpx.AsyncClient, part: Part) -> None:
    await api.put("/v1/meta/a", content="x")
    part.metadata.fails = UnavailableError("no_leader")  # it is asked of nobody
    answer = (await api.get("/v1/meta/a?consistency=stale")).json()
    assert (answer["value"], answer["consistency"], answer["stale_seconds"]) == ("x", "stale", 0.0)


async def test_the_strong_layer_of_kv_says_that_it_is(api: httpx.AsyncClient) -> None:
    written = await api.put("/v1/kv/a?consistency=strong&prev=true", content=BYTES)
    assert written.json() == {"key": "a", "revision": 1, "prev": None, "layer": "raft", "consistency": "strong"}
    model_of(MetaPutAnswer).model_validate_json(written.content, strict=True)
    read = await api.get("/v1/kv/a?consistency=strong")
    assert (read.json()["layer"], read.json()["consistency"], read.json()["mod_revision"]) == ("raft", "strong", 1)
    model_of(MetaGetAnswer).model_validate_json(read.content, strict=True)
    assert (await api.get("/v1/kv/a")).status_code == 404
    deleted = await api.delete("/v1/kv/a?consistency=strong")
    assert deleted.json() == {"key": "a", "revision": 2, "deleted": 1, "layer": "raft", "consistency": "strong"}


# -- preconditions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "there", "absent"),
    [
        ({"If-Match": '"1"'}, True, False),
        ({"If-Match": '"2"'}, False, False),
        ({"If-Match": "*"}, True, False),
        ({"If-None-Match": "*"}, False, True),
        ({"If-None-Match": '"1"'}, False, True),
        ({"If-None-Match": '"2"'}, True, True),
        ({"If-None-Match": '"2", "3"'}, True, True),
        ({"If-None-Match": '"2", "1"'}, False, True),
        ({"If-Match": "*", "If-None-Match": '"2"'}, True, False),
        ({"If-Match": '"1"', "If-None-Match": '"1"'}, False, False),
        ({"If-Match": "*", "If-None-Match": "*"}, False, False),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_writes_are_done_where_the_precondition_holds(
    method: str, headers: dict[str, str], there: bool, absent: bool, api: httpx.AsyncClient
) -> None:
    await api.put("/v1/meta/there", content="x")
    for key, holds, mod_revision in (("there", there, 1), ("absent", absent, 0)):
        answer = await api.request(method, f"/v1/meta/{key}", content="new", headers=headers)
        if holds:
            assert answer.status_code == 200
            continue
        assert answer.status_code == 412
        error = error_of(answer)
        assert (error["code"], error["details"]) == ("precondition_failed", {"mod_revision": mod_revision})
        assert answer.headers.get("etag") == (f'"{mod_revision}"' if mod_revision else None)
        read = await api.get(f"/v1/meta/{key}?raw=true")
        assert read.text == "x" if mod_revision else read.status_code == 404


@given(
    st.builds(
        Precondition,
        revisions=st.lists(st.integers(1, 3), max_size=2).map(tuple),
        exists=st.booleans(),
        absent=st.booleans(),
        other_than=st.lists(st.integers(1, 3), max_size=2).map(tuple),
    ),
    st.integers(0, 3),
)
def test_a_precondition_holds_where_all_its_parts_do(condition: Precondition, at: int) -> None:
    parts = [
        not condition.revisions or at in condition.revisions,
        not condition.exists or at > 0,
        not condition.absent or at == 0,
        at not in condition.other_than,
    ]
    assert condition.holds(at) == all(parts)


async def test_reads_heed_preconditions(api: httpx.AsyncClient) -> None:
    await api.put("/v1/meta/a", content="x")
    unchanged = await api.get("/v1/meta/a", headers={"If-None-Match": '"1"'})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", '"1"')
    assert (await api.get("/v1/meta/a", headers={"If-None-Match": '"9"'})).status_code == 200
    assert (await api.get("/v1/meta/a", headers={"If-Match": '"1"'})).status_code == 200
    failed = await api.get("/v1/meta/a", headers={"If-Match": '"9"'})
    assert error_of(failed) == {
        "code": "precondition_failed",
        "message": "the key is at revision 1, against the precondition",
        "parameter": None,
        "details": {"mod_revision": 1},
    }
    assert failed.status_code == 412
    missing = await api.get("/v1/meta/b", headers={"If-Match": "*"})
    assert (missing.status_code, error_of(missing)["message"]) == (
        412,
        "there is no such key, against the precondition",
    )
    assert (await api.get("/v1/meta/b", headers={"If-None-Match": "*"})).status_code == 404


# -- lists -------------------------------------------------------------------------------------------------------------


async def test_the_pages_of_a_list_show_one_revision(api: httpx.AsyncClient) -> None:
    for number in range(5):
        await api.put(f"/v1/meta/jobs/{number}", content=str(number))
    await api.put("/v1/meta/other", content="")
    first = await api.get("/v1/meta?prefix=jobs/&limit=2")
    model_of(MetaListAnswer).model_validate_json(first.content, strict=True)
    await api.put("/v1/meta/jobs/3", content="changed")
    seen, page = [item["key"] for item in first.json()["keys"]], first.json()["next_page"]
    while page is not None:
        answer = (await api.get("/v1/meta", params={"prefix": "jobs/", "limit": 2, "page": page})).json()
        assert answer["revision"] == 6
        seen += [item["key"] for item in answer["keys"]]
        assert all(item["value"] != "changed" for item in answer["keys"])
        page = answer["next_page"]
    assert seen == [f"jobs/{number}" for number in range(5)]
    then = (await api.get("/v1/meta?prefix=jobs/&revision=2&consistency=stale")).json()
    assert [item["key"] for item in then["keys"]] == ["jobs/0", "jobs/1"]
    assert (then["revision"], then["consistency"]) == (2, "stale")


async def test_a_prefix_is_deleted_at_one_revision(api: httpx.AsyncClient) -> None:
    for key in ("a/1", "a/2", "b"):
        await api.put(f"/v1/meta/{key}", content="")
    answer = await api.delete("/v1/meta?prefix=a/")
    assert answer.json() == {"prefix": "a/", "revision": 4, "deleted": 2}
    model_of(MetaDeletePrefixAnswer).model_validate_json(answer.content, strict=True)
    assert [item["key"] for item in (await api.get("/v1/meta")).json()["keys"]] == ["b"]


# -- refusals ----------------------------------------------------------------------------------------------------------

RESERVED = "keys under 'coterie/' are written by the cluster itself"
ETAG = 'must be * or a revision in double quotes, such as "17", as ETag gave it, not'
REQUEST_ID = (
    "Coterie-Request-Id must be <cluster time in ms>-<1 to 64 visible ASCII characters>; POST /v1/request_ids makes one"
)
REFUSED: list[tuple[str, str, dict[str, Any], int, dict[str, Any]]] = [
    (
        "GET",
        "/v1/meta/absent",
        {},
        404,
        {
            "code": "key_not_found",
            "message": "there is no key 'absent'",
            "parameter": "key",
            "details": {"revision": 1, "consistency": "linearizable"},
        },
    ),
    (
        "GET",
        "/v1/meta/a?revision=9",
        {},
        400,
        {
            "code": "future_revision",
            "message": "the revision has not come yet; the newest is 1",
            "parameter": None,
            "details": {"revision": 1},
        },
    ),
    (
        "GET",
        "/v1/meta/a?revision=x",
        {},
        400,
        {
            "code": "invalid_request",
            "message": "the parameter revision must be a whole number, not 'x'",
            "parameter": "revision",
        },
    ),
    (
        "GET",
        "/v1/meta/a?consistency=eventual",
        {},
        400,
        {
            "code": "invalid_request",
            "message": "the parameter consistency must be linearizable or stale, not 'eventual'",
            "parameter": "consistency",
        },
    ),
    *[
        (
            "GET",
            f"/v1/meta/a?timeout={text}",
            {},
            400,
            {
                "code": "invalid_request",
                "message": f"timeout must be seconds above 0, up to raft.max_request_timeout = 30, not {text!r}",
                "parameter": "timeout",
            },
        )
        for text in ("0", "31", "nan", "soon")
    ],
    (
        "GET",
        "/v1/meta/a?timeout=1",
        {"headers": {"Coterie-Timeout": "-1"}},
        400,
        {
            "code": "invalid_request",
            "message": "Coterie-Timeout must be seconds above 0, up to raft.max_request_timeout = 30, not '-1'",
            "parameter": "Coterie-Timeout",
        },
    ),
    *[
        (
            "PUT",
            "/v1/meta/a",
            {"content": "x", "headers": {"If-Match": etag}},
            400,
            {"code": "invalid_request", "message": f"If-Match {ETAG} {etag!r}", "parameter": "If-Match"},
        )
        for etag in ("1", '"0"', 'W/"1"', '"x"', '"1" "2"')
    ],
    (
        "PUT",
        "/v1/meta/a",
        {"content": "x", "headers": {"If-Match": '"1", "2"'}},
        400,
        {
            "code": "invalid_request",
            "message": "If-Match on a write takes one revision, or *",
            "parameter": "If-Match",
        },
    ),
    *[
        (
            method,
            "/v1/meta/coterie/locks/x",
            {"content": "x"},
            403,
            {"code": "reserved_key", "message": RESERVED, "parameter": "key"},
        )
        for method in ("PUT", "DELETE")
    ],
    (
        "DELETE",
        "/v1/meta?prefix=coterie/",
        {},
        403,
        {"code": "reserved_key", "message": RESERVED, "parameter": "key"},
    ),
    (
        "DELETE",
        "/v1/meta?prefix=",
        {},
        400,
        {"code": "empty_parameter", "message": "the parameter prefix must not be empty", "parameter": "prefix"},
    ),
    (
        "DELETE",
        "/v1/meta",
        {},
        400,
        {"code": "missing_parameter", "message": "the parameter prefix is missing", "parameter": "prefix"},
    ),
    (
        "PUT",
        "/v1/meta/a?lease=x",
        {"content": "x"},
        400,
        {
            "code": "invalid_request",
            "message": "the parameter lease must be a lease's id or keep, not 'x'",
            "parameter": "lease",
        },
    ),
    (
        "PUT",
        "/v1/meta/a?lease=9",
        {"content": "x"},
        404,
        {
            "code": "lease_not_found",
            "message": "there is no such lease: it ended, or never was",
            "parameter": None,
        },
    ),
    (
        "PUT",
        "/v1/meta/" + "k" * 1_025,
        {"content": "x"},
        400,
        {
            "code": "key_invalid",
            "message": "a key must have from 1 to 1024 bytes",
            "parameter": None,
            "details": {"limit": 1024},
        },
    ),
    *[
        (
            "PUT",
            "/v1/meta/a",
            {"content": "x", "headers": {"Coterie-Request-Id": text}},
            400,
            {"code": "invalid_request", "message": REQUEST_ID, "parameter": "Coterie-Request-Id"},
        )
        for text in ("x", "-x", "1-", "1- ", f"1-{'x' * 65}", "99999999999999999-x")
    ],
    (
        "GET",
        "/v1/meta?page=x",
        {},
        400,
        {"code": "bad_page_token", "message": "this is no page token of this list", "parameter": None},
    ),
    (
        "GET",
        "/v1/meta/",
        {},
        400,
        {
            "code": "empty_parameter",
            "message": "the key must not be empty (keys are listed at the path without the last slash)",
            "parameter": "key",
        },
    ),
    (
        "PATCH",
        "/v1/meta/a",
        {},
        405,
        {
            "code": "method_not_allowed",
            "message": "PATCH is not possible at this path; use DELETE, GET, PUT",
            "parameter": None,
        },
    ),
]


async def test_what_is_refused_is_named(api: httpx.AsyncClient, part: Part, subtests: pytest.Subtests) -> None:
    await api.put("/v1/meta/a", content="x")
    for method, url, more, status, error in REFUSED:
        with subtests.test(f"{method} {url[:40]} {more}"):
            answer = await api.request(method, url, **more)
            assert error_of(answer) == error
            assert answer.status_code == status
            assert part.state.keyspace.revision == 1


async def test_history_that_is_gone_is_gone(api: httpx.AsyncClient, part: Part) -> None:
    for _ in range(3):
        await api.put("/v1/meta/a", content="x")
    await part.metadata.compact(2)
    answer = await api.get("/v1/meta/a?revision=1")
    assert answer.status_code == 410
    assert error_of(answer) == {
        "code": "compacted",
        "message": "the history up to revision 2 is gone; read anew, and go on from there",
        "parameter": None,
        "details": {"compacted": 2},
    }


STORE_REFUSALS = [
    (RefusalCode.TOO_MANY_KEYS, 9, 507, "too_many_keys", {"limit": 9}),
    (RefusalCode.NO_SPACE, 9, 507, "no_space", {"limit": 9}),
    (RefusalCode.LEASE_FULL, 9, 507, "lease_full", {"limit": 9}),
    (RefusalCode.VALUE_TOO_LARGE, 9, 413, "too_large", {"limit": 9}),
    ("too_large", 0, 413, "too_large", None),
    (RefusalCode.MALFORMED, 0, 400, "invalid_request", None),
    (RefusalCode.REQUEST_AHEAD, 7, 400, "request_ahead", {"cluster_time_ms": 7}),
    (RefusalCode.REQUEST_REUSED, 0, 409, "request_reused", None),
    (RefusalCode.RESULT_NOT_KEPT, 7, 409, "result_not_kept", {"revision": 7}),
    (RefusalCode.KEY_NOT_FOUND, 0, 404, "key_not_found", None),
    (RefusalCode.INTERNAL, 0, 500, "internal", None),
    ("unheard_of", 0, 409, "refused", {"reason": "unheard_of"}),
]


async def test_refusals_of_the_cluster_have_stable_codes(
    api: httpx.AsyncClient, part: Part, subtests: pytest.Subtests
) -> None:
    for store_code, detail, status, code, details in STORE_REFUSALS:
        part.metadata.fails = RefusedError(store_code, detail)
        for method in ("PUT", "DELETE"):
            with subtests.test(f"{method} {store_code}"):
                answer = await api.request(method, "/v1/meta/a", content="x")
                error = error_of(answer)
                assert (answer.status_code, error["code"], error.get("details")) == (status, code, details)
                assert "{" not in error["message"]


# -- how calls end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("no_leader", "no leader is known now"),
        ("timed_out", "no majority, or no leader, answered in time"),
        ("disk_full", "the leader has no space for its log"),
        ("log_full", "the leader's log is full until a snapshot, which is under way, has cut it"),
        ("something_new", "words of its own"),
    ],
)
async def test_what_cannot_be_done_now_may_be_asked_again(
    reason: str, said: str, api: httpx.AsyncClient, part: Part
) -> None:
    part.metadata.fails = UnavailableError(reason, "words of its own")
    for method in ("GET", "PUT", "DELETE"):
        answer = await api.request(method, "/v1/meta/a", content="x")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert error_of(answer) == {
            "code": "unavailable",
            "message": f"the cluster cannot serve this now: {said}",
            "parameter": None,
            "details": {"reason": reason},
        }


async def test_an_unknown_outcome_brings_the_id_to_go_on_with(api: httpx.AsyncClient, part: Part) -> None:
    part.metadata.loses_answers = UnknownOutcomeError("the leader went away")
    lost = await api.put("/v1/meta/a", content="x")
    assert lost.status_code == 504
    error = error_of(lost)
    request_id = error["details"]["request_id"]
    assert error == {
        "code": "outcome_unknown",
        "message": "whether this happened is not known; with the request id in Coterie-Request-Id it may be sent "
        "again, and happens at most once",
        "parameter": None,
        "details": {"request_id": request_id},
    }
    part.metadata.loses_answers = None
    again = await api.put("/v1/meta/a", content="x", headers={"Coterie-Request-Id": request_id})
    assert again.json() == {"key": "a", "revision": 1}
    assert part.state.keyspace.revision == 1


async def test_a_write_with_a_request_id_happens_once(api: httpx.AsyncClient, part: Part) -> None:
    made = await api.post("/v1/request_ids")
    model_of(RequestIdAnswer).model_validate_json(made.content, strict=True)
    assert made.json()["valid_seconds"] == 300
    headers = {"Coterie-Request-Id": made.json()["request_id"]}
    for _ in range(3):
        assert (await api.put("/v1/meta/a", content="x", headers=headers)).json()["revision"] == 1
    assert (await api.put("/v1/meta/a", content="y")).json()["revision"] == 2
    assert part.state.keyspace.revision == 2


async def test_a_clients_own_word_will_do_as_a_request_id(api: httpx.AsyncClient, part: Part) -> None:
    headers = {"Coterie-Request-Id": f"{part.state.time_ms}-order/4711"}
    for _ in range(2):
        assert (await api.put("/v1/meta/a", content="x", headers=headers)).json()["revision"] == 1


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**53 - 1))
def test_request_ids_are_read_as_they_were_written(name: bytes, time_ms: int) -> None:
    assert read_request_id(write_request_id(RequestId(name, time_ms))) == RequestId(name, time_ms)


@given(st.text())
def test_whatever_a_header_holds_is_an_id_or_refused(text: str) -> None:
    try:
        request = read_request_id(text)
    except ApiError:
        return
    assert 1 <= len(request.id) <= 64
    assert 0 <= request.time_ms < 2**53


async def test_the_time_of_a_request_is_its_own(
    raw: Callable[..., Any], part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(part.metadata, "submit", _note(asked, part.metadata.submit))
    await raw("PUT", b"/v1/meta/a", chunks=(b"x",))
    await raw("PUT", b"/v1/meta/a", query=b"timeout=2.5", chunks=(b"x",))
    await raw("PUT", b"/v1/meta/a", query=b"timeout=2.5", headers=[(b"coterie-timeout", b"1.5")], chunks=(b"x",))
    assert asked == [5.0, 2.5, 1.5]


def _note(asked: list[Any], submit: Callable[..., Any]) -> Callable[..., Any]:
    async def noting(operation: Any, **options: Any) -> Any:
        asked.append(options["timeout"])
        return await submit(operation, **options)

    return noting
