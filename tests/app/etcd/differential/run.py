"""Runs random requests against both, and lists the answers that differ."""

from __future__ import annotations

import json
from typing import Any

from tests.app.etcd.differential.requests import Request, RequestMaker
from tests.app.etcd.differential.side import Side


def differences(etcd: Side, coterie: Side, seed: int, requests: int) -> list[str]:
    """What was answered differently, of so many requests. It ends at the first write that only one has made."""
    maker = RequestMaker(seed)
    found: list[str] = []
    compacted = 0
    """The number of the revision that was compacted last."""
    for number in range(requests):
        request = maker.next()
        if request.path == "/watch":
            ours = coterie.events(request, None)
            theirs = etcd.events(request, len(ours))
        else:
            ours, theirs = _ask(coterie, request), _ask(etcd, request)
        if ours != theirs and not _explained(request, theirs, ours, compacted):
            found.append(f"request {number}: {show(request)}\n  etcd:    {theirs}\n  coterie: {ours}")
        if request.path == "/kv/compaction" and theirs[0] == 200:
            compacted = request.body["revision"].number
        if len(etcd.revisions) != len(coterie.revisions) or len(etcd.leases) != len(coterie.leases):
            return [*found, f"request {number}: only one of them has done it: seed {seed} ends here"]
        maker.revisions, maker.leases = len(etcd.revisions), len(etcd.leases)
    return found


def _ask(side: Side, request: Request) -> Any:
    status, answer = side.ask(request)
    side.learn(request, status, answer)
    if request.path == "/lease/keepalive" and isinstance(answer, dict) and "result" in answer:
        answer = answer["result"]
    return status, side.shared(answer)


def _explained(request: Request, theirs: Any, ours: Any, compacted: int) -> bool:
    """Differences on purpose (docs/etcd.md)."""
    if request.path == "/watch" and request.body["create_request"]["start_revision"].number == compacted:
        # etcd loses the deletions of the very revision that was compacted (issues 18089 and 19179 of its own), and
        # what was there before.
        lost, kept = f"revision {compacted + 1}", []
        for each in ours:
            if each.get("kv", {}).get("mod_revision") != lost:
                kept.append(each)
            elif each.get("type") != "DELETE":
                kept.append({name: value for name, value in each.items() if name != "prev_kv"})
        return bool(theirs == kept)
    # etcd 3.4 looks at the writes of a transaction before its ranges, later releases in order, as Coterie does.
    both_refuse = request.path == "/kv/txn" and theirs[0] >= 400 and ours[0] == 400
    return both_refuse and "not found" in str(theirs) and "mvcc: required revision" in str(ours)


def show(request: Request) -> str:
    return f"{request.path} {json.dumps(request.body, default=str)}"
