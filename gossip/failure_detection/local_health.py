"""How far a node may trust its own verdicts (local health awareness).

After Dadgar, Phillips and Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection", DSN 2018: a
node that is slow, or that nobody answers, is more likely to be the sick one than all the others. A score says how
much speaks for that; it multiplies the time of silence after which this node takes another for dead. Nothing of it
is sent.
"""

from __future__ import annotations

MIN_PROBES = 3
"""Of fewer unanswered peers it cannot be told whether they died or this node did not hear them: in a cluster of
three, deaths are found as fast as ever."""

SILENT_ROUNDS = 2
"""So many rounds in a row without any answer count: a lost datagram or two do not."""

MOST_BY_SILENCE = 2
"""Unanswered probes alone raise the score to this and no further: one that is alone for good should see it soon."""


class LocalHealth:
    """Told once a round what speaks against this node."""

    __slots__ = ("_answers", "_most", "_probes", "_silent_rounds", "score")

    def __init__(self, most: int) -> None:
        """`most`: the highest score."""
        self.score = 0
        self._most = most
        self._probes = 0
        self._answers = 0
        self._silent_rounds = 0

    @property
    def patience(self) -> int:
        """What the time of silence is multiplied by: 1 in health."""
        return 1 + self.score

    def answered(self) -> None:
        """An answer to a probe has come, from whomever: behind a NAT it has not the address that was asked."""
        self._answers += 1

    def probes(self, live_peers: int) -> None:
        """So many peers that are taken for alive are asked in the round that begins."""
        self._probes = live_peers

    def end_round(self, intervals_late: int, *, backlog: bool) -> None:
        """Judge the round that ends.

        `intervals_late`: by how many gossip intervals the next one is late. `backlog`: more datagrams waited in the
        socket than are read at a time.
        """
        silent = self._probes >= MIN_PROBES and self._answers == 0
        self._silent_rounds = self._silent_rounds + 1 if silent else 0
        if intervals_late or backlog:
            self.score = min(self._most, self.score + max(1, intervals_late))
        elif self._silent_rounds < SILENT_ROUNDS:
            self.score = max(0, self.score - 1)
        elif self.score < MOST_BY_SILENCE:
            self.score = min(self._most, self.score + 1)
        self._probes = 0
        self._answers = 0
