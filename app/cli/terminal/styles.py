"""How nodes look on a terminal: never told by colour alone."""

from __future__ import annotations

from coterie.app.cli.terminal.output import Cell

_STATUS = {"live": "green", "dead": "bold red", "joining": "yellow", "left": "dim"}
_ROLE = {"leader": "bold cyan", "voter": "cyan", "observer": "", "candidate": "yellow", "client": "dim"}


def status(word: str) -> Cell:
    return Cell(word, _STATUS.get(word, ""))


def role(word: str | None) -> Cell | None:
    return None if word is None else Cell(word, _ROLE.get(word, ""))


def phi(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def yes_no(value: bool | None, unknown: str = "unknown") -> Cell:
    if value is None:
        return Cell(unknown, "dim")
    return Cell("yes", "green") if value else Cell("no", "bold red")
