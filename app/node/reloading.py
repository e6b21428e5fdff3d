"""Reload: SIGHUP reads the settings again, and every part that can takes its new ones.

A part registers the settings that it can change. An error in the new settings, or a refusal of one part, changes
nothing at all; a changed setting that no part takes is logged, and waits for a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from pydantic import BaseModel

from coterie.app.settings.loading import BadSettingsError, SettingPath, setting_paths
from coterie.app.settings.settings import Settings

Apply = Callable[[], None]
Prepare = Callable[[Settings], Apply]
"""Checks, without effect, what new settings ask of a part; returns what puts them into effect and cannot fail. Raises
ReloadError."""

log = structlog.stdlib.get_logger("coterie")


class ReloadError(Exception):
    """A part cannot take the new settings; the message names the setting and the fix."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of a reload."""

    changed: tuple[str, ...] = ()
    """Settings that hold from now on."""
    need_restart: tuple[str, ...] = ()
    """Settings that have another value now, and keep the one that they had until the node is started again."""
    problems: tuple[str, ...] = ()
    """Why nothing at all was changed."""


@dataclass(frozen=True, slots=True)
class _Part:
    names: frozenset[str]
    prepare: Prepare
    always: bool


class Reloader:
    """To be used inside the node's event loop."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        """`settings`: those that the node runs with; `load` reads all sources again, and raises BadSettingsError."""
        self.settings = settings
        self._load = load
        self._parts: list[_Part] = []

    def register(self, names: Iterable[str], prepare: Prepare, *, always: bool = False) -> None:
        """Let a part take settings while the node runs: full names, such as `log.level`, or those of whole tables.

        `always`: it is asked at every reload, for there may be news in the files that its settings name.
        """
        wanted = set(names)
        known = {".".join(path) for path in setting_paths() if path[0] in wanted or ".".join(path) in wanted}
        unknown = {name for name in wanted if name not in known and not any(k.startswith(name + ".") for k in known)}
        if unknown:
            raise ValueError(f"no such settings: {', '.join(sorted(unknown))}")
        self._parts.append(_Part(frozenset(known), prepare, always))

    def reload(self) -> Reloaded:
        """Read and apply; what happened is logged."""
        outcome = self._reload()
        if outcome.problems:
            log.error("settings not reloaded: nothing has changed", problems=list(outcome.problems))
        else:
            log.info("settings reloaded", changed=list(outcome.changed))
        if outcome.need_restart:
            log.warning(
                "settings that only a restart changes: they stay as they were", settings=list(outcome.need_restart)
            )
        return outcome

    def _reload(self) -> Reloaded:
        try:
            read = self._load()
        except BadSettingsError as error:
            return Reloaded(problems=tuple(error.lines))
        differing = [path for path in setting_paths() if _value(read, path) != _value(self.settings, path)]
        reloadable = frozenset[str]().union(*(part.names for part in self._parts))
        taken = [path for path in differing if ".".join(path) in reloadable]
        changed = tuple(".".join(path) for path in taken)
        merged = _merge(self.settings, read, taken)
        try:
            applies = [part.prepare(merged) for part in self._parts if part.always or part.names & set(changed)]
        except ReloadError as error:
            return Reloaded(problems=(str(error),))
        for apply in applies:
            apply()
        self.settings = merged
        return Reloaded(changed, tuple(".".join(path) for path in differing if path not in taken))


def _value(settings: BaseModel, path: SettingPath) -> object:
    value: object = settings
    for name in path:
        value = getattr(value, name)
    return value


def _merge(old: Settings, new: Settings, paths: Iterable[SettingPath]) -> Settings:
    """`old`, with the values of `new` at these paths."""
    tables: dict[str, BaseModel] = {}
    plain: dict[str, object] = {}
    for path in paths:
        if len(path) == 1:
            plain[path[0]] = _value(new, path)
        else:
            table = tables.get(path[0]) or getattr(old, path[0])
            tables[path[0]] = table.model_copy(update={path[1]: _value(new, path)})
    return old.model_copy(update={**plain, **tables})
