"""etcd's API over HTTP and WebSocket, at a node with the metadata and at one without Raft."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.client import connect

from coterie.app.etcd.service import watches
from tests.app.api.conftest import RAFT, Part
from tests.app.etcd.conftest import EtcdClient, b64, bytes_of, result
from tests.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.anyio


async def test_an_empty_store_is_at_revision_1_and_writes_say_their_own(etcd: EtcdClient) -> None:
    empty = await etcd.ask("/kv/range", key=b64(b"k"))
    assert empty["header"]["revision"] == "1"
    assert set(empty) == {"header"}
    assert [await etcd.put(b"k", b"one"), await etcd.put(b"k", b"two")] == [2, 3]
    found = await etcd.ask("/kv/range", key=b64(b"k"))
    assert found["kvs"] == [
        {
            "key": b64(b"k"),
            "create_revision": "2",
            "mod_revision": "3",
            "version": "2",
            "value": b64(b"two"),
        }
    ]
    assert found["count"] == "1"
    deleted = await etcd.ask("/kv/deleterange", key=b64(b"k"), prev_kv=True)
    assert (deleted["deleted"], deleted["header"]["revision"]) == ("1", "4")
    assert bytes_of(deleted["prev_kvs"][0]["value"]) == b"two"
    again = await etcd.ask("/kv/deleterange", key=b64(b"k"))
    assert set(again) == {"header"}
    assert again["header"]["revision"] == "4"


async def test_a_key_of_v1_is_the_same_key(member: EtcdClient, part: Part) -> None:
    await part.metadata.put(b"jobs/7", b"ready")
    assert (await member.ask("/kv/range", key=b64(b"jobs/7")))["kvs"][0]["value"] == b64(b"ready")
    await member.put(b"jobs/7", b"done")
    record = (await part.metadata.get(b"jobs/7")).value
    assert record is not None
    assert record.value == b"done"


async def test_a_transaction_holds_another(etcd: EtcdClient) -> None:
    put = {"request_put": {"key": b64(b"leader"), "value": b64(b"me")}}
    nobodys = {"key": b64(b"leader"), "target": "CREATE", "create_revision": "0"}
    mine = {"key": b64(b"leader"), "target": "VALUE", "value": b64(b"me")}
    txn = {"compare": [mine], "success": [put], "failure": [{"request_txn": {"compare": [nobodys], "success": [put]}}]}
    made = await etcd.ask("/kv/txn", **txn)
    assert made["responses"] == [
        {
            "response_txn": {
                "header": {},
                "succeeded": True,
                "responses": [{"response_put": {"header": {"revision": "2"}}}],
            }
        }
    ]
    assert "succeeded" not in made
    assert (await etcd.ask("/kv/txn", **txn))["succeeded"] is True


async def test_transactions_may_be_as_deep_as_their_lists_allow(etcd: EtcdClient) -> None:
    deep: dict[str, Any] = {"success": [{"request_put": {"key": b64(b"k")}}]}
    for _ in range(127):
        deep = {"success": [{"request_txn": deep}]}
    answer = await etcd.ask("/kv/txn", **deep)
    depth = 0
    while "response_txn" in answer["responses"][0]:
        answer, depth = answer["responses"][0]["response_txn"], depth + 1
    assert (depth, set(answer["responses"][0])) == (127, {"response_put"})
    too_many = "etcdserver: too many operations in txn request"
    assert await etcd.refused("/kv/txn", success=[{"request_txn": deep}]) == (400, 3, too_many)


async def test_pages_of_other_sites_are_refused(member: EtcdClient) -> None:
    answer = await member.http.post(f"http://{member.address}/v3/kv/put", headers={"Origin": "http://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, 7)


async def test_v3beta_is_the_same_and_what_is_no_call_is_text(etcd: EtcdClient) -> None:
    assert (await etcd.post("/v3beta/kv/range", {"key": b64(b"k")})).status_code == 200
    for path in ("/v3alpha/kv/range", "/v3/kv/nothing", "/"):
        answer = await etcd.post(path, {})
        assert (answer.status_code, answer.text.strip()) == (404, "Not Found")
    got = await etcd.http.get(f"http://{etcd.address}/v3/kv/range")
    assert (got.status_code, got.text.strip()) == (405, "Method Not Allowed")
    version = (await etcd.http.get(f"http://{etcd.address}/version")).json()
    assert set(version) == {"etcdserver", "etcdcluster"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v3/kv/range", b'{"key": "a'),
        ("/v3/kv/range", b"[1]"),
        ("/v3/kv/range", b'{"key": "*"}'),
        ("/v3/kv/range", b'{"key": "aw==", "limit": "x"}'),
        ("/v3/kv/range", b'{"key": "aw==", "limit": 18446744073709551616}'),
        ("/v3/kv/range", b'{"key": "aw==", "sort_order": "UP"}'),
        ("/v3/kv/range", b'{"key": "aw==", "sort_order": 9}'),
        ("/v3/kv/txn", b'{"success": {}}'),
        ("/v3/kv/txn", b'{"success":[' + b'{"request_txn":{"success":[' * 2_000 + b"]}}" * 2_000 + b"]}"),
        ("/v3/watch", b"nothing"),
        ("/v3/kv/put", b'\xff{"key": "aw=="}'),
    ],
)
async def test_what_is_malformed_is_an_invalid_argument(member: EtcdClient, path: str, content: bytes) -> None:
    answer = await member.post(path, content=content)
    assert (answer.status_code, answer.json()["code"]) == (400, 3), answer.text


async def test_errors_have_etcds_codes_and_texts(etcd: EtcdClient) -> None:
    await etcd.put(b"k")
    assert await etcd.refused("/kv/put") == (400, 3, "etcdserver: key is not provided")
    missing = "etcdserver: requested lease not found"
    assert await etcd.refused("/kv/put", key=b64(b"k"), lease=77) == (404, 5, missing)
    assert await etcd.refused("/lease/revoke", ID="77") == (404, 5, missing)
    assert await etcd.refused("/kv/put", key=b64(b"z"), ignore_value=True) == (400, 3, "etcdserver: key not found")
    assert await etcd.refused("/kv/put", key=b64(b"z"), ignore_lease=True) == (400, 3, "etcdserver: key not found")
    future = "etcdserver: mvcc: required revision is a future revision"
    assert await etcd.refused("/kv/range", key=b64(b"k"), revision="99") == (400, 11, future)
    assert await etcd.refused("/kv/compaction", revision="99") == (400, 11, future)
    put = {"request_put": {"key": b64(b"k")}}
    twice = "etcdserver: duplicate key given in txn request"
    assert await etcd.refused("/kv/txn", success=[put, put]) == (400, 3, twice)
    too_many = "etcdserver: too many operations in txn request"
    assert await etcd.refused("/kv/txn", success=[put] * 129) == (400, 3, too_many)
    assert (await etcd.refused("/kv/put", key=b64(b"k"), value=b64(b"x" * 1_100_000)))[1:] == (
        3,
        "etcdserver: request is too large",
    )


async def test_what_is_not_served_says_so(etcd: EtcdClient) -> None:
    for path in ("/cluster/member/add", "/maintenance/snapshot", "/auth/enable", "/auth/user/add"):
        status, code, text = await etcd.refused(path)
        assert (status, code) == (501, 12)
        assert "docs/etcd.md" in text


async def test_reserved_keys_are_hidden_and_cannot_be_written(etcd: EtcdClient, part: Part) -> None:
    await part.metadata.put(b"coterie/secret", b"hidden")
    await etcd.put(b"k")
    everything = await etcd.ask("/kv/range", key=b64(b"\0"), range_end=b64(b"\0"))
    assert [bytes_of(kv["key"]) for kv in everything["kvs"]] == [b"k"]
    assert everything["count"] == "1"
    assert "kvs" not in await etcd.ask("/kv/range", key=b64(b"coterie/secret"))
    denied = (403, 7, "etcdserver: permission denied")
    assert await etcd.refused("/kv/put", key=b64(b"coterie/x")) == denied
    assert await etcd.refused("/kv/deleterange", key=b64(b"coterie/secret")) == denied
    assert await etcd.refused("/kv/txn", failure=[{"request_put": {"key": b64(b"coterie/x")}}]) == denied
    assert (await etcd.ask("/kv/deleterange", key=b64(b"\0"), range_end=b64(b"\0")))["deleted"] == "1"
    assert (await part.metadata.get(b"coterie/secret")).value is not None


async def test_ranges_have_order_limits_filters_and_counts(etcd: EtcdClient) -> None:
    for key in (b"a", b"c", b"b"):
        await etcd.put(key, key)

    async def keys(**more: object) -> str:
        found = await etcd.ask("/kv/range", key=b64(b"a"), range_end=b64(b"\0"), **more)
        return b"".join(bytes_of(kv["key"]) for kv in found.get("kvs", ())).decode()

    assert await keys() == "abc"
    assert await keys(sort_order="DESCEND", sort_target="CREATE") == "bca"
    assert await keys(sort_order=1, sort_target=3) == "acb"
    assert await keys(minModRevision="3") == "bc"
    assert await keys(max_create_revision=2) == "a"
    assert await keys(revision=3) == "ac"
    limited = await etcd.ask("/kv/range", key=b64(b"a"), range_end=b64(b"\0"), limit="2", keys_only=True)
    assert (limited["more"], limited["count"], len(limited["kvs"])) == (True, "3", 2)
    assert "value" not in limited["kvs"][0]
    counted = await etcd.ask("/kv/range", key=b64(b"a"), range_end=b64(b"\0"), count_only=True)
    assert (counted["count"], "kvs" in counted) == ("3", False)


# -- leases ------------------------------------------------------------------------------------------------------------


async def test_leases_are_raised_and_cut_and_say_what_they_became(etcd: EtcdClient) -> None:
    assert (await etcd.ask("/lease/grant", TTL=1))["TTL"] == "2"
    assert (await etcd.ask("/lease/grant", TTL=8_000_000_000))["TTL"] == str(7 * 24 * 3_600)
    too_long = (400, 11, "etcdserver: too large lease TTL")
    assert await etcd.refused("/lease/grant", TTL="9000000001") == too_long
    largest = str(2**63 - 1)
    assert (await etcd.ask("/lease/grant", TTL=60, ID=largest))["ID"] == largest
    assert await etcd.refused("/lease/grant", TTL=60, ID=largest) == (412, 9, "etcdserver: lease already exists")
    await etcd.put(b"k", lease=largest)
    shown = await etcd.ask("/kv/lease/timetolive", ID=largest, keys=True)
    assert (shown["grantedTTL"], shown["keys"]) == ("60", [b64(b"k")])
    assert 50 <= int(shown["TTL"]) <= 60
    listed = await etcd.ask("/lease/leases")
    assert {"ID": largest} in listed["leases"]
    await etcd.ask("/kv/lease/revoke", ID=largest)
    assert "kvs" not in await etcd.ask("/kv/range", key=b64(b"k"))
    assert (await etcd.ask("/lease/timetolive", ID=largest))["TTL"] == "-1"


async def test_a_keep_alive_is_answered_once_and_ends(etcd: EtcdClient) -> None:
    lease = (await etcd.ask("/lease/grant", TTL=60))["ID"]
    async with etcd.stream("/lease/keepalive", {"ID": lease}, {"ID": "999"}) as answers:
        assert (await result(answers))["TTL"] == "60"
        assert "TTL" not in await result(answers)
        assert [each async for each in answers] == []


# -- watches -----------------------------------------------------------------------------------------------------------


async def test_a_watch_tells_created_then_events(etcd: EtcdClient) -> None:
    await etcd.put(b"k", b"one")
    request = {"create_request": {"key": b64(b"k"), "prev_kv": True}}
    async with etcd.stream("/watch", request) as answers:
        created = await result(answers)
        assert created["created"] is True
        assert created["header"]["revision"] == "2"
        assert "events" not in created
        await etcd.put(b"k", b"two")
        told = await result(answers)
        assert told["header"]["revision"] == "3"
        (event,) = told["events"]
        assert "type" not in event
        assert (event["kv"]["value"], event["prev_kv"]["value"]) == (b64(b"two"), b64(b"one"))
        await etcd.ask("/kv/deleterange", key=b64(b"k"))
        (event,) = (await result(answers))["events"]
        assert (event["type"], event["kv"]) == ("DELETE", {"key": b64(b"k"), "mod_revision": "4"})


async def test_two_watchers_share_a_stream_and_one_is_canceled(etcd: EtcdClient) -> None:
    await etcd.put(b"a")
    first = {"create_request": {"key": b64(b"a"), "start_revision": "2"}}
    second = {"create_request": {"key": b64(b"b"), "watch_id": "7"}}
    async with etcd.stream("/watch", first, second, {"cancel_request": {"watch_id": 7}}) as answers:
        told: list[Any] = []
        while not any("canceled" in each for each in told) or not any("events" in each for each in told):
            told.append(await result(answers))
        assert [each.get("watch_id", "0") for each in told if "created" in each] == ["0", "7"]
        (canceled,) = [each for each in told if "canceled" in each]
        assert canceled["watch_id"] == "7"


async def test_a_watch_that_begins_without_a_leader_ends_as_late_as_the_others(
    member: EtcdClient, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(watches, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(part.metadata, "_staleness", lambda: RAFT.watch_max_staleness + 1)
    await member.put(b"k")
    async with member.stream("/watch", {"create_request": {"key": b64(b"k"), "start_revision": "2"}}) as answers:
        assert (await result(answers))["created"] is True
        assert "events" in await result(answers)
        await member.put(b"k")
        assert "events" in await result(answers)
        now = RAFT.watch_max_staleness + 1
        await member.put(b"k")
        assert "events" in await result(answers)
        assert (await anext(answers))["error"]["message"] == "etcdserver: no leader"


async def test_progress_is_told_behind_all_events(etcd: EtcdClient) -> None:
    last = [await etcd.put(b"a", b"%d" % number) for number in range(50)][-1]
    request = {"create_request": {"key": b64(b"a"), "start_revision": "2"}}
    async with etcd.stream("/watch", request, {"progress_request": {}}) as answers:
        events = 0
        while not (told := await result(answers)).get("watch_id"):
            events += len(told.get("events", ()))
        assert told["watch_id"] == "-1"
        assert int(told["header"]["revision"]) <= last
        assert "events" not in told


async def test_the_compacted_revision_itself_is_served_and_one_before_is_not(member: EtcdClient) -> None:
    await member.put(b"k", b"one")
    await member.put(b"other")
    await member.ask("/kv/deleterange", key=b64(b"k"))
    await member.ask("/kv/compaction", revision="4")
    compacted = (400, 11, "etcdserver: mvcc: required revision has been compacted")
    assert await member.refused("/kv/compaction", revision="4") == compacted
    assert await member.refused("/kv/range", key=b64(b"k"), revision="3") == compacted
    assert "kvs" not in await member.ask("/kv/range", key=b64(b"k"), revision="4")
    async with member.stream("/watch", {"create_request": {"key": b64(b"k"), "start_revision": "4"}}) as answers:
        await result(answers)
        (event,) = (await result(answers))["events"]
        assert (event["type"], event["kv"]["mod_revision"]) == ("DELETE", "4")
    async with member.stream("/watch", {"create_request": {"key": b64(b"k"), "start_revision": "3"}}) as answers:
        assert (await result(answers))["created"] is True
        canceled = await result(answers)
        assert (canceled["canceled"], canceled["compact_revision"]) == (True, "4")
        assert "revision" not in canceled["header"]


async def test_a_watch_from_a_revision_to_come_waits_for_it(member: EtcdClient) -> None:
    async with member.stream("/watch", {"create_request": {"key": b64(b"k"), "start_revision": "4"}}) as answers:
        await result(answers)
        for value in (b"one", b"two", b"three"):
            await member.put(b"k", value)
        (event,) = (await result(answers))["events"]
        assert event["kv"]["value"] == b64(b"three")


async def test_watches_of_those_who_leave_are_taken_down(member: EtcdClient, part: Part) -> None:
    async with member.stream("/watch", {"create_request": {"key": b64(b"k")}}) as answers:
        await result(answers)
        assert len(part.metadata.watches) == 1
        many = [{"create_request": {"key": b64(b"k")}}] * 3
        async with member.stream("/watch", *many) as others:
            told = [await result(others) for _ in many]
            refused = [each for each in told if each.get("canceled")]
            assert len(refused) == 2
            assert "watches are open" in refused[0]["cancel_reason"]
    await eventually(lambda: len(part.metadata.watches) == 0)


async def test_an_empty_range_is_not_watched(member: EtcdClient) -> None:
    request = {"create_request": {"key": b64(b"b"), "range_end": b64(b"a")}}
    async with member.stream("/watch", request) as answers:
        told = await result(answers)
        assert (told["watch_id"], told["cancel_reason"]) == ("-1", "mvcc: watcher range is empty")


async def test_a_watch_over_websocket_is_the_same(etcd: EtcdClient) -> None:
    async with connect(f"ws://{etcd.address}/v3/watch") as socket, asyncio.timeout(PATIENCE_SECONDS):
        await socket.send(json.dumps({"create_request": {"key": b64(b"k")}}))
        assert json.loads(await socket.recv())["result"]["created"] is True
        await etcd.put(b"k", b"v")
        (event,) = json.loads(await socket.recv())["result"]["events"]
        assert event["kv"]["value"] == b64(b"v")


# -- locks and elections -----------------------------------------------------------------------------------------------


async def test_a_lock_is_the_key_of_its_lease_and_the_next_waits_for_its_end(etcd: EtcdClient, part: Part) -> None:
    first, second = [(await etcd.ask("/lease/grant", TTL=60))["ID"] for _ in range(2)]
    held = await etcd.ask("/lock/lock", name=b64(b"jobs"), lease=first)
    assert bytes_of(held["key"]) == b"jobs/%x" % int(first)
    assert (await etcd.ask("/lock/lock", name=b64(b"jobs"), lease=first))["key"] == held["key"]
    waiting = asyncio.create_task(etcd.ask("/lock/lock", name=b64(b"jobs"), lease=second))
    place = b"jobs/%x" % int(second)
    await eventually(lambda: part.state.get(place))
    assert not waiting.done()
    await etcd.ask("/lock/unlock", key=held["key"])
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await waiting)["key"] == b64(place)


async def test_who_stops_waiting_for_a_lock_leaves_its_queue(etcd: EtcdClient, part: Part) -> None:
    first, second = [(await etcd.ask("/lease/grant", TTL=60))["ID"] for _ in range(2)]
    await etcd.ask("/lock/lock", name=b64(b"jobs"), lease=first)
    waiting = asyncio.create_task(etcd.ask("/lock/lock", name=b64(b"jobs"), lease=second))

    place = b"jobs/%x" % int(second)
    await eventually(lambda: part.state.get(place))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await eventually(lambda: part.state.get(place) is None)
    missing = await etcd.refused("/lock/lock", name=b64(b"jobs"), lease="999")
    assert missing == (500, 2, "etcdserver: requested lease not found")


async def test_an_election_has_a_leader_that_proclaims_and_resigns(etcd: EtcdClient) -> None:
    assert await etcd.refused("/election/leader", name=b64(b"e")) == (500, 2, "election: no leader")
    lease = (await etcd.ask("/lease/grant", TTL=60))["ID"]
    leader = (await etcd.ask("/election/campaign", name=b64(b"e"), lease=lease, value=b64(b"one")))["leader"]
    assert leader["key"] == b64(b"e/%x" % int(lease))
    async with etcd.stream("/election/observe", {"name": b64(b"e")}) as answers:
        assert (await result(answers))["kv"]["value"] == b64(b"one")
        await etcd.ask("/election/proclaim", leader=leader, value=b64(b"two"))
        assert (await result(answers))["kv"]["value"] == b64(b"two")
    await etcd.ask("/election/resign", leader=leader)
    assert await etcd.refused("/election/leader", name=b64(b"e")) == (500, 2, "election: no leader")
    refused = await etcd.refused("/election/proclaim", leader=leader, value=b64(b"x"))
    assert refused == (500, 2, "election: not leader")


# -- the cluster -------------------------------------------------------------------------------------------------------


async def test_members_are_listed_with_numbers_and_status_names_the_leader(member: EtcdClient) -> None:
    listed = await member.ask("/cluster/member/list")
    assert "revision" not in listed["header"]
    names = {each["name"]: each["ID"] for each in listed["members"]}
    assert "node-a" in names
    status = await member.ask("/maintenance/status")
    assert status["leader"] == names["node-a"] == status["header"]["member_id"]
    assert {"version", "raftTerm", "raftIndex", "dbSize"} <= set(status) | {"dbSize"}


async def test_a_wrong_token_does_not_matter_where_none_is_asked_for(etcd: EtcdClient) -> None:
    etcd.token = b64(b"nonsense")
    assert (await etcd.ask("/maintenance/status"))["version"]
    assert (await etcd.ask("/cluster/member/list"))["header"]["member_id"]
    assert (await etcd.refused("/kv/range", key=b64(b"k")))[:2] == (401, 16)


async def test_maintenance_answers(member: EtcdClient, part: Part) -> None:
    await member.put(b"k")
    one, other = await member.ask("/maintenance/hash"), await member.ask("/maintenance/hashkv")
    assert one["hash"] == other["hash"] != 0
    assert set(await member.ask("/maintenance/alarm")) == {"header"}
    await member.ask("/maintenance/defragment")
    members = {each["name"]: each["ID"] for each in (await member.ask("/cluster/member/list"))["members"]}
    await member.ask("/maintenance/transfer-leadership", targetID=members["node-a"])
    assert part.asked == [("transfer", "node-a")]
    bad = (412, 9, "etcdserver: bad leader transferee")
    assert await member.refused("/maintenance/transfer-leadership", targetID="1") == bad
