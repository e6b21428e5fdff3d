"""Links that come up and go: the transport decides which members may have one, never the configuration (fault 13)."""

from __future__ import annotations

from coterie.consensus.raft.core import calls
from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.events import LinkDown, LinkUp
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import rollback


def link_up(s: RaftState, event: LinkUp) -> None:
    s.links_seen += 1
    s.links[event.member] = s.links_seen
    s.greetings[event.member] = event.greeting
    s.outbox.forget(event.member)
    rollback.check_greeting(s, event.member, event.greeting)
    if s.leading:
        become.track_members(s)
        s.progress[event.member].link_up(s.log.last_index, s.now)


def link_down(s: RaftState, event: LinkDown) -> None:
    s.links.pop(event.member, None)
    s.greetings.pop(event.member, None)
    s.outbox.forget(event.member)
    progress = s.progress.get(event.member)
    if progress is not None:
        progress.link_down(s.now)
    forwarded = s.pending.forwarded
    calls.lose_forwarded(s, [request for request, (leader, _) in forwarded.items() if leader == event.member])
