"""Rules of tokens, and the rights that requests ask for. An action includes the ones before it: read, write, admin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from coterie.app.settings.types import Table

Layer = Literal["gossip", "metadata", "locks", "cluster", "tokens", "*"]
Action = Literal["read", "write", "admin"]

_ORDER: dict[str, int] = {"read": 0, "write": 1, "admin": 2}

ANY_LAYER = "any"
"""Of a right: one rule, whatever it allows, is enough."""


class Rule(Table):
    """What a token allows."""

    layer: Annotated[Layer, Field(examples=["metadata"])]
    """`gossip`: nodes' keys. `metadata`: keys, transactions, watches. `locks`: locks, elections, semaphores, leases.
    `cluster`: members, Raft, metrics. `tokens`: tokens. `*`: all of them."""
    action: Annotated[Action, Field(examples=["write"])]
    """Each includes the ones before it: `read`, `write`, `admin`."""
    prefix: Annotated[str, Field(max_length=1_024, examples=["jobs/"])] = ""
    """What keys, or names of locks, must start with; empty for all."""

    def grants(self, layer: str, action: str) -> bool:
        """Whether it allows this of what starts with its prefix."""
        return (self.layer in {layer, "*"} or layer == ANY_LAYER) and _ORDER[self.action] >= _ORDER[action]

    def covers(self, other: Rule) -> bool:
        """Whether this allows all that the other does."""
        return self.grants(other.layer, other.action) and other.prefix.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Right:
    """What a request needs."""

    layer: str
    action: Action
    start: str | None = ""
    """The key, name or prefix; "" is all of the layer, None is any part of it: the handler looks closer."""
    otherwise: Right | None = None
    """Is as good."""

    def __str__(self) -> str:
        of = "" if not self.start else f" of {self.start!r}"
        return f"{self.action} in the layer {self.layer}{of}"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as far as it was proved."""

    id: str
    """A token's id, or "anonymous"."""
    rules: tuple[Rule, ...]
    token_hash: str = ""
    """Of the token that was shown; empty for none."""

    def reach(self, layer: str, action: Action) -> tuple[str, ...]:
        """How far it may: at what starts with one of these. Empty: nowhere; "" among them: at all of the layer."""
        return tuple(rule.prefix for rule in self.rules if rule.grants(layer, action))

    def may(self, layer: str, action: Action, start: str | None) -> bool:
        """`start`: the key, name or prefix that is asked for, or None where any will do."""
        reach = self.reach(layer, action)
        return bool(reach) if start is None else start.startswith(reach)

    def has(self, rights: Iterable[Right]) -> bool:
        return all(map(self.has_right, rights))

    def has_right(self, right: Right) -> bool:
        if self.may(right.layer, right.action, right.start):
            return True
        return right.otherwise is not None and self.has_right(right.otherwise)

    def covers(self, rules: Sequence[Rule]) -> bool:
        """Whether nothing of `rules` goes beyond its own."""
        return all(any(own.covers(rule) for own in self.rules) for rule in rules)


ANONYMOUS = "anonymous"


def anonymous(level: str) -> Principal:
    """Who shows no token; `level`: the highest action that is allowed, or "none"."""
    rules = () if level == "none" else (Rule(layer="*", action=level),)  # type: ignore[arg-type]
    return Principal(ANONYMOUS, rules)
