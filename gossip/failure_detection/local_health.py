"""Local health: how far this node may trust its own failure detector (memberlist calls it awareness).

After Dadgar, Phillips and Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection", DSN 2018: a
node that is slow, or that gets no answers, is more likely to be the faulty one than all others are. The health score
multiplies the silence after which this node takes another for dead. The score is never sent.
"""

from __future__ import annotations

from coterie.gossip.wire.identity import Address

MIN_PROBES = 3
"""Fewer unanswered peers prove nothing: either they died or this node did not hear them. So a cluster of three finds
deaths as fast as without local health."""

SILENT_ROUNDS = 2
"""This many rounds in a row without any answer raise the score: one or two lost datagrams do not."""

WIDE_ROUNDS = 6
"""For so many silent rounds in a row a node asks more peers each time: whether it is deaf, or most others died."""

MAX_WIDE_PROBES = 32
"""Live peers that such a round asks."""

MAX_SCORE_BY_SILENCE = 2
"""Unanswered probes alone raise the score no further: a node that is alone for good shall notice it soon."""


class LocalHealth:
    """The health score, judged once a round. 0 is healthy."""

    __slots__ = ("_answers", "_max_score", "_probes", "_silent_rounds", "answered_by", "score")

    def __init__(self, max_score: int) -> None:
        self.score = 0
        self._max_score = max_score
        self._probes = 0
        self._answers = 0
        self._silent_rounds = 0
        self.answered_by: Address | None = None
        """The address that answered last."""

    @property
    def timeout_multiplier(self) -> int:
        """Multiplies the failure detector's threshold: 1 where this node is healthy."""
        return 1 + self.score

    def fanout(self, usual: int) -> int:
        """How many live peers the next round asks: more after silent ones, to find whoever lives."""
        if 0 < self._silent_rounds <= WIDE_ROUNDS:
            return max(usual, min(MAX_WIDE_PROBES, usual << 2 * self._silent_rounds))
        return usual

    @property
    def doubts(self) -> bool:
        """Whether this node has grounds to doubt itself."""
        return self.score > 0 or self._silent_rounds > 0

    def probe_answered(self, source: Address) -> None:
        """Count an answer from any address: behind a NAT it is not the one that was probed."""
        self._answers += 1
        self.answered_by = source

    def begin_probes(self, live_peers: int) -> None:
        """Note how many live peers the round that begins probes."""
        self._probes = live_peers

    def end_round(self, intervals_late: int, *, backlog: bool) -> None:
        """Judge the round that ends.

        `intervals_late`: how many gossip intervals late the next round is. `backlog`: the socket held more datagrams
        than the shell reads at a time.
        """
        silent = self._probes >= MIN_PROBES and self._answers == 0
        self._silent_rounds = self._silent_rounds + 1 if silent else 0
        if intervals_late or backlog:
            self.score = min(self._max_score, self.score + max(1, intervals_late))
        elif self._silent_rounds < SILENT_ROUNDS:
            self.score = max(0, self.score - 1)
        elif self.score < MAX_SCORE_BY_SILENCE:
            self.score = min(self._max_score, self.score + 1)
        self._probes = 0
        self._answers = 0
