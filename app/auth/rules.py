"""The rights that requests need, and the principals that have them by rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from coterie.app.wire.tokens import Action, Rule

read_rule = TypeAdapter(Rule).validate_python
"""A rule of this release. Raises ValueError."""


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
    rules = () if level == "none" else (Rule(layer="*", action=level),)
    return Principal(ANONYMOUS, rules)
