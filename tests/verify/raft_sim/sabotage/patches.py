"""How a fix is switched off: functions that take a part of the core and give back one without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from coterie.consensus.raft.core import calls, rules, step, transitions
from coterie.consensus.raft.core.model.configuration import Configurations, is_membership
from coterie.consensus.raft.core.parts import elections, replication, snapshot_taking
from coterie.consensus.raft.errors import RaftUnavailableError
from coterie.consensus.raft.messages import NextNodeIdx
from coterie.consensus.store import Guard, State
from coterie.consensus.store.handlers import leases

Patch = tuple[Any, str, Any]

_MISSING = object()


def function(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], list[Patch]]:
    """Replace a function of a module, or a method of a class."""
    return lambda: [(owner, name, make(getattr(owner, name)))]


def rule(name: str, make: Callable[[Any], Any]) -> Callable[[], list[Patch]]:
    return function(rules, name, make)


def put(patches: list[Patch]) -> list[Patch]:
    """Put patches in place, in the tables of events and messages too. Returns the patches that undo it."""
    before = []
    for owner, name, value in patches:
        former = vars(owner).get(name, _MISSING)
        for table in (step.EVENTS, step.MESSAGES):
            for kind, handler in table.items():
                if handler is former:
                    table[kind] = value
        before.append((owner, name, former))
        if value is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, value)
    return before[::-1]


def one_change_off(may_change: Any) -> Any:
    return lambda **state: may_change(**{**state, "change_index": 0})


def noop_gate_off(may_change: Any) -> Any:
    return lambda **state: may_change(**{**state, "noop_committed": True})


def committed_only(start: Any) -> Any:
    def start_with_snapshot_configuration(node: Any) -> None:
        start(node)
        log = node.state.log
        log.configurations = Configurations(log.configurations._base, [], from_snapshot=node.snapshot_index > 0)

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
    def advance_commit(s: Any) -> None:
        durable, s.log.durability.durable = s.log.durability.durable, s.log.last_index
        advance(s)
        s.log.durability.durable = durable

    return advance_commit


def terms_ignored(answered: Any) -> Any:
    def accept(s: Any, member: str, term: int) -> Any:
        return answered(s, member, s.term if s.leading else term)

    return accept


def count_twice(become: Any) -> Any:
    def on_response_vote(s: Any, voter: Any, response: Any) -> None:
        become(s, voter, response)
        campaign = s.campaign
        if campaign is not None and response.granted and campaign.term == response.term:
            s.campaign.granted.add(voter + " again")
            if len(campaign.granted) * 2 > len(s.voters):
                s.campaign.granted.update(s.voters)
                elections.count_votes(s)

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
    def handle(s: Any, candidate: Any, request: Any) -> None:
        if s.votes:
            on_request_vote(s, candidate, request)

    return handle


def straight_campaign(campaign: Any) -> Any:
    return lambda s, *, pre, transfer=False: campaign(s, pre=False, transfer=transfer)


def not_sticky(answer_vote: Any) -> Any:
    return lambda voter, request, who: answer_vote(replace(voter, has_leader=False), request, who)


def no_transfer_flag(answer_vote: Any) -> Any:
    def answer(voter: Any, request: Any, who: str) -> Any:
        return answer_vote(voter, type(request)(request.term, request.last_index, request.last_term, request.pre), who)

    return answer


def pongs_do_not_count(on_pong: Any) -> Any:
    def handle(s: Any, member: Any, message: Any) -> None:
        heard = {each: progress.last_contact for each, progress in s.progress.items()}
        on_pong(s, member, message)
        for each, progress in s.progress.items():
            progress.last_contact = heard[each]

    return handle


def link_by_configuration(receive: Any) -> Any:
    def handle(s: Any, event: Any) -> None:
        if event.sender in s.others:
            receive(s, event)

    return handle


def no_load(load: Any) -> Any:
    return lambda node: None


def load_late(tick: Any) -> Any:
    def late(s: Any, event: Any) -> None:
        s.ticks = getattr(s, "ticks", 0) + 1
        if s.ticks == 30:
            s.snapshots.in_job = True
            snapshot_taking.load(s)
            s.snapshots.in_job = False
        tick(s, event)

    return late


def configuration_of_dump(load: Any) -> Any:
    def load_dump(s: Any) -> None:
        load(s)
        info = s.snapshots.latest()
        if info is not None:
            s.log.configurations = Configurations(info.voters, (), from_snapshot=True)

    return load_dump


def applied_again(apply: Any) -> Any:
    def do_apply(s: Any, command: bytes, index: int) -> Any:
        if is_membership(command):
            configurations = s.log.configurations
            configurations._changes.append((index, configurations.as_of(index)))
        return apply(s, command, index)

    return do_apply


def uncommitted_in_snapshot(as_of: Any) -> Any:
    return lambda self, index: self.latest


def failed_is_installed(answer: Any) -> Any:
    return lambda s, incoming, state, offset, **_: answer(
        s, incoming, "installed" if state == "failed" else state, offset
    )


def sync_errors_ignored(synced: Any) -> Any:
    return lambda s, error: synced(s, None)


def old_terms_commit(leader_commit: Any) -> Any:
    return lambda voters, match, commit, term, term_at: leader_commit(voters, match, commit, 0, lambda _: 0)


def no_log_check(up_to_date: Any) -> Any:
    return lambda *_: True


def vote_not_stored(store: Any) -> Any:
    def store_term(s: Any, term: int, voted_for: Any) -> None:
        if term > s.term:
            store(s, term, voted_for if voted_for == s.own else None)

    return store_term


def majority_founds(is_elected: Any) -> Any:
    return lambda voters, granted, *, founding: is_elected(voters, granted, founding=False)


def verified_forever(term_changed: Any) -> Any:
    def handle(s: Any) -> None:
        verified = getattr(s, "verified", 0)
        term_changed(s)
        s.verified = verified

    return handle


def full_disk_acknowledged(on_append: Any) -> Any:
    def handle(s: Any, leader: Any, message: Any) -> None:
        if message.term == s.term and message.entries and s.log.journal.shortage(1) is not None:
            s.ready.send(leader, NextNodeIdx(s.term, success=True, match=message.entries[-1][1]))
        else:
            on_append(s, leader, message)

    return handle


def read_at_once(serve: Any) -> Any:
    def serve_reads(s: Any) -> None:
        if s.leading:
            reads, s.reads_arrived = s.reads_arrived, []
            for read in reads:
                calls.end(s, read, None, s.applied)
        else:
            serve(s)

    return serve_reads


def any_pong(answered: Any) -> Any:
    def handle(s: Any, member: Any, number: int) -> None:
        answered(s, member, number + 1000)

    return handle


def heard_is_asked(on_ping: Any) -> Any:
    def handle(s: Any, leader: Any, message: Any) -> None:
        on_ping(s, leader, message)
        if message.term == s.term:
            s.freshness.heard(s.now, message.commit, s.applied)

    return handle


def no_noop_wait(serve: Any) -> Any:
    def serve_reads(s: Any) -> None:
        noop, s.noop_index = s.noop_index, 0
        serve(s)
        s.noop_index = noop

    return serve_reads


def unapplied(finish: Any) -> Any:
    def finish_reads(s: Any) -> None:
        s.reads_confirmed = [(0, read) for _, read in s.reads_confirmed]
        finish(s)

    return finish_reads


def stay(act: Any) -> Any:
    return lambda s: None


def believed(check: Any) -> Any:
    return lambda s, member, proof, *_: None


def greeting_ignored(check: Any) -> Any:
    return lambda s, member, greeting: check(s, member, replace(greeting, index=0))


def own_limits(state: Any) -> Any:
    return lambda releases, host: State(releases.limits(host.name), known_level=releases.level(host))


def no_fingerprint(recall: Any) -> Any:
    return lambda table, request_id, time_ms, now_ms, _: recall(table, request_id, time_ms, now_ms, b"")


def own_level_alone(followed: Any) -> Any:
    return lambda raising: {"own": raising._machine.state.known_level}


def no_verdict(told: Any) -> Any:
    return lambda digests, report: None


def always_happened(decided: Any) -> Any:
    return lambda s, decision, results, *, happened: decided(s, decision, results or [0] * 1000, happened=True)


def any_link(reply: Any) -> Any:
    return lambda s, origin, message: s.ready.send(origin.member, message)


def reset_below_match(on_next: Any) -> Any:
    def handle(s: Any, member: Any, message: Any) -> None:
        on_next(s, member, message)
        progress = s.progress.get(member)
        if progress is not None and not message.success:
            progress.match = min(progress.match, message.match)
            progress.next = max(2, min(progress.next, message.match))

    return handle


def lost_is_refused(forward_lost: Any) -> Any:
    return lambda s, call: calls.end(s, call, RaftUnavailableError("link"))


def commit_unverified(on_append: Any) -> Any:
    def handle(s: Any, leader: Any, message: Any) -> None:
        on_append(s, leader, message)
        if message.term == s.term and not s.leading:
            transitions.commit_to(s, min(message.commit, s.log.last_index))

    return handle


def relief_off(ask: Any) -> Any:
    def ask_room(s: Any, size: int, entries: int = 1) -> Any:
        forced = s.save_forced
        shortage = ask(s, size, entries)
        s.save_forced = forced
        return shortage

    return ask_room


def full_learns_nothing(on_append: Any) -> Any:
    def handle(s: Any, leader: Any, message: Any) -> None:
        if message.term == s.term and message.entries and not replication._has_room(s, message.entries):
            transitions.hear_leader(s, leader)
            s.ready.send(leader, NextNodeIdx(s.term, success=False, match=message.prev_index, full=True))
        else:
            on_append(s, leader, message)

    return handle


def stops_for_it(failed: Any) -> Any:
    def incoming_failed(s: Any, error: BaseException) -> None:
        failed(s, error)
        if not snapshot_taking.is_full(error):
            raise error

    return incoming_failed


def never_looked_at(verify: Any) -> Any:
    return lambda s, member: None


def upkeep_on_the_loop(upkeep: Any) -> Any:
    return lambda node: node._journal.upkeep()


def leaves_at_once(leaving: Any) -> Any:
    return lambda outbox, messages: messages


def vote_on_the_loop(store: Any) -> Any:
    def store_at_once(node: Any, ready: Any) -> None:
        hard_state, ready.hard_state = ready.hard_state, None
        store(node, ready)
        if hard_state is not None:
            node._journal.store_vote(*hard_state)

    return store_at_once


def young_ones_forgotten(is_old: Any) -> Any:
    return lambda self, now_ms, limits: True


def every_token_holds(holds: Any) -> Any:
    return lambda state, it: isinstance(it, Guard) or holds(state, it)


def as_due(find_as_of: Any) -> Any:
    return lambda state, lease, _: msgspec.structs.replace(leases._find(state, lease), deadline_ms=0)


def ahead(lead: Any) -> Any:
    def lead_ahead(machine: Any) -> None:
        lead(machine)
        since, base = machine._base
        machine._base = (since, base + 2_000)

    return lead_ahead


def strands(append_change: Any) -> Any:
    """As if all had answered."""

    def change(s: Any, proposal: Any) -> None:
        undo = put([(elections, "answering", lambda _: set(s.voters))])
        try:
            append_change(s, proposal)
        finally:
            put(undo)

    return change
