"""The second opinion on a history: every part that the search can judge, judged.

It sees neither revisions nor the record: what the main checker reads off the system's own account, this one finds out
from what clients saw. Historic and stale reads are left out; keys that end with a lease, or are compared in anything
but value and existence, are beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.verify.linearizability.by_search.minimise import minimise
from tests.verify.linearizability.by_search.mutexes import mutexes_of
from tests.verify.linearizability.by_search.partition import registers_of
from tests.verify.linearizability.by_search.parts import Part, search_part, search_some
from tests.verify.linearizability.by_search.search import MAX_STEPS, Answer, Searched
from tests.verify.linearizability.histories.history import History, check_shape
from tests.verify.linearizability.rendering.timeline import draw, operation_bar
from tests.verify.linearizability.rendering.wording import name

MOST_SHOWN = 40
"""Operations that a drawing shows at most: the latest."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A part, and what the search found."""

    part: Part[Any]
    searched: Searched[Any]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the search says of a history."""

    judged: tuple[Judged, ...]
    beyond: tuple[str, ...]
    """The parts that it cannot judge."""

    @property
    def answer(self) -> Answer:
        """A violation anywhere is one; otherwise undecided, where any part is."""
        answers = {judged.searched.answer for judged in self.judged}
        for answer in (Answer.VIOLATION, Answer.UNDECIDED, Answer.OK):
            if answer in answers:
                return answer
        return Answer.NOT_APPLICABLE

    @property
    def violations(self) -> tuple[Judged, ...]:
        return tuple(judged for judged in self.judged if judged.searched.answer is Answer.VIOLATION)


def second_opinion(history: History, max_steps: int = MAX_STEPS) -> Opinion:
    """Search every part of a history, each within `max_steps`. Raises HistoryError where it is malformed."""
    check_shape(history)
    registers, beyond = registers_of(history)
    parts: list[Part[Any]] = [*registers, *mutexes_of(history)]
    return Opinion(tuple(Judged(part, search_part(part, max_steps)) for part in parts), tuple(beyond))


def render_violation(judged: Judged) -> str:
    """The smallest failing part of a part as a timeline, with the longest order of it that works."""
    part = judged.part
    required, optional = minimise(part, judged.searched)
    searched = search_some(part, required, optional, MAX_STEPS)
    shown = sorted((*required, *optional), key=lambda operation: operation.invoked)[-MOST_SHOWN:]
    left_out = len(required) + len(optional) - len(shown)
    order = [operation.id for operation in searched.order if operation in shown]
    lines = [
        f"{part.name}: no order of these operations explains every answer",
        *([f"  {left_out:,} earlier operations are not shown"] if left_out else []),
        "",
        draw(operation_bar(operation) for operation in shown),
        "",
        f"  longest order that works  {', '.join(order) or 'none'}",
        f"  state then                {part.show(searched.state)}",
        f"  does not fit              {'; '.join(name(operation) for operation in searched.stuck)}",
    ]
    return "\n".join(lines) + "\n"
