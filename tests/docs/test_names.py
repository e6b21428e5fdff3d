"""What the pages name exists: settings, metrics, alerts, error codes with their statuses, log lines, reasons, paths."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache

import click
import httpx
import pytest

from coterie.app.cli.framework.command import root
from coterie.app.http.error_mapping import _REASONS as REASONS
from coterie.app.settings.loading import setting_paths
from coterie.app.settings.settings import Settings
from coterie.app.wire.errors import Code
from tests import ROOT
from tests.docs.support.snippets import PAGES

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
FAILURES = OPERATIONS.partition("## When something is wrong")[2]
FILES = {"gossip.snapshot"}

SETTINGS = {".".join(path) for path in setting_paths()}
TABLES = {name for name in Settings.model_fields if any(each.startswith(f"{name}.") for each in SETTINGS)}
TEXTS = [pytest.param(page.read_text(), id=str(page.relative_to(ROOT))) for page in PAGES]


@cache
def strings() -> list[str]:
    """Every text in the sources; where a value goes into one, it has `...`."""
    found = []
    for package in ("app", "consensus", "gossip"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                match node:
                    case ast.Constant(value=str(text)):
                        found.append(re.sub(r"%[sdr]", "...", text))
                    case ast.JoinedStr(values=values):
                        parts = [each.value if isinstance(each, ast.Constant) else "..." for each in values]
                        found.append("".join(map(str, parts)))
    return found


def is_said(shown: str) -> bool:
    """Whether the sources can say this; `...` in it stands for a value."""
    wanted = re.compile(re.escape(shown).replace(re.escape("..."), ".*?"))
    return any(wanted.search(text) for text in strings())


@pytest.mark.parametrize("text", TEXTS)
def test_settings(text: str) -> None:
    named = {f"{table}.{name}" for table, name in re.findall(r"`([a-z]+)\.([a-z_]+)[ `]", text) if table in TABLES}
    assert named - FILES - SETTINGS == set()


@pytest.mark.parametrize("text", TEXTS)
def test_metrics(text: str) -> None:
    for name in re.findall(r"`coterie_(\w+)", text):
        assert re.sub(r"_(total|bucket|count|sum)$", "", name) in strings() or name in strings(), name


@pytest.mark.parametrize("text", TEXTS)
def test_error_codes(text: str) -> None:
    known = {(str(code.status), str(code)) for code in Code}
    assert set(re.findall(r"\b([45]\d\d) `([a-z_]+)`", text)) - known == set()


@pytest.mark.anyio
@pytest.mark.parametrize("text", TEXTS)
async def test_paths(text: str, client: httpx.AsyncClient) -> None:
    paths = {re.sub(r"\{\w+\}", "{}", path) for path in (await client.get("/openapi.json")).json()["paths"]}
    for path in re.findall(r"`(?:GET|PUT|POST|DELETE) (/[\w/{}.]*)", text):
        assert re.sub(r"\{\w+\}|[A-Z]+$", "{}", path) in paths | {"/openapi.json", "/"}, path


@pytest.mark.parametrize("text", TEXTS)
def test_commands(text: str) -> None:
    for typed in re.findall(r"`coterie ([a-z][^`]*)`", text):
        words = shlex.split(typed)
        command: click.Command | None = root
        context = click.Context(root)
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(context, words.pop(0))
            assert command is not None, typed
        assert command is not None
        if command.context_settings.get("ignore_unknown_options"):
            continue  # it hands them on to what reads the options of a node
        known = {"--help"} | {option for each in command.params for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= known, typed


def test_every_alert_is_explained() -> None:
    alerts = re.findall(r"alert: (\w+)", (ROOT / "configs" / "monitoring" / "alerts.yml").read_text())
    assert set(re.findall(r"`(Coterie[A-Z]\w+)`", FAILURES)) == set(alerts)


def test_every_reason_of_503_exists() -> None:
    named = re.findall(r"reason `(\w+)`", FAILURES)
    assert len(named) > 3
    assert set(named) - set(REASONS) == set()


def test_every_log_line_and_health_reason_exists() -> None:
    named = re.findall(r"(?:log: |/readyz`: |/readyz` fails: |/livez` fails: )`([^`]+)`", FAILURES)
    assert len(named) > 15
    assert [each for each in named if not is_said(each)] == []
