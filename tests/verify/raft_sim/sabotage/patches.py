"""How a fix is switched off: functions that take a method or rule of the node and give back one without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from coterie.consensus.raft import rules
from coterie.consensus.raft.configuration import Configurations, is_membership
from coterie.consensus.raft.errors import UnavailableError
from coterie.consensus.raft.messages import NextNodeIdx
from coterie.consensus.raft.node import RaftNode

Patch = tuple[Any, str, Any]


def rule(name: str, make: Callable[[Any], Any]) -> Callable[[], list[Patch]]:
    return lambda: [(rules, name, make(getattr(rules, name)))]


def method(name: str, make: Callable[[Any], Any]) -> Callable[[], list[Patch]]:
    """Replace a method of the node, wherever it is looked up: by name, in the override table, as a handler."""

    def patches() -> list[Patch]:
        former = getattr(RaftNode, name)
        new = make(former)
        found: list[Patch] = [(RaftNode, name, new)]
        found += [(RaftNode, key, new) for key, value in vars(RaftNode).items() if value is former and key != name]
        return found

    return patches


def one_change_off(may_change: Any) -> Any:
    return lambda **state: may_change(**{**state, "change_index": 0})


def noop_gate_off(may_change: Any) -> Any:
    return lambda **state: may_change(**{**state, "noop_committed": True})


def committed_only(start: Any) -> Any:
    def start_with_snapshot_configuration(node: Any) -> None:
        start(node)
        base = Configurations(node.configurations._base, [], from_snapshot=node.snapshot_index > 0)
        node.configurations = base
        node._configuration_changed()

    return start_with_snapshot_configuration


def stock_align(journal: Any, info: Any) -> None:
    if len(journal) < 2 or journal[0] != info.prev or journal[1] != info.last:
        journal.clear()
        journal.add(*info.prev)
        journal.add(*info.last)


def begin_is_done(self: Any, last: int) -> None:
    self.dirty = False
    self._covered = self.durable = last


def own_vote_early(advance: Any) -> Any:
    def advance_commit(node: Any) -> None:
        durable, node.durability.durable = node.durability.durable, node.last_index
        advance(node)
        node.durability.durable = durable

    return advance_commit


def terms_ignored(answered: Any) -> Any:
    def accept(node: Any, member: Any, term: int) -> bool:
        return bool(answered(node, member, node.term if node.leading else term))

    return accept


def count_twice(become: Any) -> Any:
    def on_response_vote(node: Any, voter: Any, response: Any) -> None:
        become(node, voter, response)
        campaign = node.campaign
        if campaign is not None and response.granted and campaign.term == response.term:
            node.campaign.granted.add(voter.id + " again")
            if len(campaign.granted) * 2 > len(node.voters):
                node.campaign.granted.update(node.voters)
                node._count_votes()

    return on_response_vote


def truncate_rest(plan_append: Any) -> Any:
    def plan(message: Any, first: int, last: int, term_at: Any, commit: int) -> Any:
        found = plan_append(message, first, last, term_at, commit)
        if found.ok and found.truncate_from is None and first < found.verified < last and not found.entries:
            return replace(found, truncate_from=found.verified + 1)
        return found

    return plan


def rewrite(plan_append: Any) -> Any:
    def plan(message: Any, first: int, last: int, term_at: Any, commit: int) -> Any:
        found = plan_append(message, first, last, term_at, commit)
        if found.ok and first <= message.prev_index < last and message.entries:
            return replace(found, truncate_from=message.prev_index + 1, entries=message.entries)
        return found

    return plan


def no_votes_of_non_voters(on_request_vote: Any) -> Any:
    def handle(node: Any, candidate: Any, request: Any) -> None:
        if node.votes:
            on_request_vote(node, candidate, request)

    return handle


def straight_campaign(campaign: Any) -> Any:
    return lambda node, *, pre, transfer=False: campaign(node, pre=False, transfer=transfer)


def not_sticky(answer_vote: Any) -> Any:
    return lambda ballot, request, who: answer_vote(replace(ballot, has_leader=False), request, who)


def no_transfer_flag(answer_vote: Any) -> Any:
    def answer(ballot: Any, request: Any, who: str) -> Any:
        return answer_vote(ballot, type(request)(request.term, request.last_index, request.last_term, request.pre), who)

    return answer


def pongs_do_not_count(on_pong: Any) -> Any:
    def handle(node: Any, member: Any, message: Any) -> None:
        heard = dict(node.heard)
        on_pong(node, member, message)
        if node.leading:
            node.heard.update(heard)

    return handle


def link_by_configuration(receive: Any) -> Any:
    def handle(node: Any, sender: Any, message: Any) -> None:
        if sender in node.others:
            receive(node, sender, message)

    return handle


def accept_unloaded(receive: Any) -> Any:
    def handle(node: Any, sender: Any, message: Any) -> None:
        pending, node.load_pending = node.load_pending, False
        receive(node, sender, message)
        node.load_pending = pending

    return handle


def load_late(tick: Any) -> Any:
    def late(node: Any) -> None:
        node.ticks = getattr(node, "ticks", 0) + 1
        pending = node.load_pending and node.ticks <= 30
        node.load_pending = node.load_pending and not pending
        tick(node)
        node.load_pending = node.load_pending or pending

    return late


def configuration_of_dump(load: Any) -> Any:
    def load_dump(node: Any, clearJournal: bool = False) -> None:  # noqa: N803
        load(node)
        info = node.snapshots.latest()
        if info is not None:
            node.configurations = Configurations(info.voters, (), from_snapshot=True)
            node._configuration_changed()

    return load_dump


def applied_again(apply: Any) -> Any:
    def do_apply(node: Any, command: bytes, index: int) -> Any:
        if is_membership(command):
            node.configurations._changes.append((index, node.configurations.as_of(index)))
            node._configuration_changed()
        return apply(node, command, index)

    return do_apply


def uncommitted_in_snapshot(as_of: Any) -> Any:
    return lambda self, index: self.latest


def failed_is_installed(answer: Any) -> Any:
    return lambda node, incoming, state, offset: answer(
        node, incoming, "installed" if state == "failed" else state, offset
    )


def sync_errors_ignored(synced: Any) -> Any:
    return lambda node, error: synced(node, None)


def old_terms_commit(leader_commit: Any) -> Any:
    return lambda voters, match, commit, term, term_at: leader_commit(voters, match, commit, 0, lambda _: 0)


def no_log_check(up_to_date: Any) -> Any:
    return lambda *_: True


def vote_not_stored(store: Any) -> Any:
    def store_term(node: Any, term: int, voted_for: Any) -> None:
        if term > node.term:
            store(node, term, voted_for if voted_for == node.own else None)

    return store_term


def majority_founds(is_elected: Any) -> Any:
    return lambda voters, granted, *, founding: is_elected(voters, granted, founding=False)


def verified_forever(term_changed: Any) -> Any:
    def handle(node: Any) -> None:
        verified = getattr(node, "verified", 0)
        term_changed(node)
        node.verified = verified

    return handle


def full_disk_acknowledged(on_append: Any) -> Any:
    def handle(node: Any, leader: Any, message: Any) -> None:
        if message.term == node.term and message.entries and not node.log.has_room(1):
            node._send(leader, NextNodeIdx(node.term, success=True, match=message.entries[-1][1]))
        else:
            on_append(node, leader, message)

    return handle


def read_at_once(serve: Any) -> Any:
    def serve_reads(node: Any) -> None:
        if node.leading:
            reads, node.reads_arrived = node.reads_arrived, []
            for read in reads:
                node._end(read, None, node.applied)
        else:
            serve(node)

    return serve_reads


def any_pong(answered: Any) -> Any:
    def handle(node: Any, member: Any, number: int) -> None:
        answered(node, member, number + 1000)

    return handle


def heard_is_asked(on_ping: Any) -> Any:
    def handle(node: Any, leader: Any, message: Any) -> None:
        on_ping(node, leader, message)
        if message.term == node.term:
            node.freshness.told(node.clock.monotonic(), message.commit, node.applied)

    return handle


def no_noop_wait(serve: Any) -> Any:
    def serve_reads(node: Any) -> None:
        noop, node.noop_index = node.noop_index, 0
        serve(node)
        node.noop_index = noop

    return serve_reads


def unapplied(finish: Any) -> Any:
    def finish_reads(node: Any) -> None:
        node.reads_at = [(0, read) for _, read in node.reads_at]
        finish(node)

    return finish_reads


def stay(become_follower: Any) -> Any:
    return lambda node: None


def always_happened(decided: Any) -> Any:
    return lambda node, waiting, results, happened: decided(node, waiting, results or [0] * 1000, True)


def any_link(reply: Any) -> Any:
    return lambda node, sender, link, answer: node._send(sender, answer)


def reset_below_match(on_next: Any) -> Any:
    def handle(node: Any, member: Any, message: Any) -> None:
        on_next(node, member, message)
        if node.leading and not message.success and member in node.match:
            node.match[member] = min(node.match[member], message.match)
            node.next[member] = max(2, min(node.next[member], message.match))

    return handle


def lost_is_refused(forward_lost: Any) -> Any:
    return lambda node, call: node._end(call, UnavailableError("link"))


def commit_unverified(on_append: Any) -> Any:
    def handle(node: Any, leader: Any, message: Any) -> None:
        on_append(node, leader, message)
        if message.term == node.term and not node.leading:
            node._commit_to(min(message.commit, node.last_index))

    return handle
