"""`docs/limits.md` names settings, fields and constants that exist."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel

from coterie.app.settings.settings import Settings
from coterie.consensus.journal.config import JournalConfig
from coterie.consensus.raft.net.tcp import NetSettings
from coterie.consensus.raft.settings import RaftConfig
from tests import ROOT

TEXT = (ROOT / "docs" / "limits.md").read_text()
CLASSES = {each.__name__: each for each in (RaftConfig, NetSettings, JournalConfig)}
BRACKETS = re.findall(r"\[((?:`\w+`, )+)([\w./]+)\]", TEXT)


def test_every_named_setting_exists() -> None:
    names = re.findall(r"`([a-z]+)\.([a-z_]+)`", TEXT)
    assert len(names) > 20
    for table, name in names:
        if table == "net":
            continue  # the system's own
        kind = Settings.model_fields[table].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        assert name in kind.model_fields, f"{table}.{name}"


@pytest.mark.parametrize(("names", "where"), BRACKETS)
def test_every_named_constant_exists(names: str, where: str) -> None:
    for name in re.findall(r"\w+", names):
        if where in CLASSES:
            assert name in CLASSES[where].__dataclass_fields__, f"{where}.{name}"
        else:
            assert re.search(rf"^{name}(?:: Final)? = ", (ROOT / where).read_text(), re.MULTILINE), f"{where}: {name}"
