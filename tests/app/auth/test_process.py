"""The `coterie` command with tokens: what it makes opens a node, and an open node on a network says so."""

from __future__ import annotations

import signal
import tomllib
from pathlib import Path

import httpx
import pytest

from coterie.app.wire.tokens import hash_of
from tests.app.processes import Running, run, running
from tests.waiting import wait_until


def ask(node: Running, path: str, token: str | None = None) -> int:
    host, port = node.address
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.get(f"http://{host}:{port}{path}", headers=headers, timeout=60).status_code


def warnings(node: Running) -> list[str]:
    return [entry["event"] for entry in node.entries if entry["level"] == "warning"]


def test_a_token_is_made_and_opens_a_node(tmp_path: Path) -> None:
    made = run("token", "new", "--id", "first").stdout
    token = next(line for line in made.splitlines() if line.startswith("# coterie_")).removeprefix("# ")
    assert tomllib.loads(made)["auth"]["tokens"][0]["hash"] == hash_of(token)
    config = tmp_path / "node.toml"
    config.write_text('[auth]\nanonymous = "none"\n' + made)
    with running("--config", str(config)) as node:
        assert [ask(node, "/v1/members", each) for each in (None, token, token[:-1] + "x")] == [401, 200, 401]
        assert ask(node, "/livez") == 200
        assert not warnings(node) or all("token" not in line or "refused" in line for line in warnings(node))
        node.end()
        assert token not in node.log


@pytest.mark.parametrize(
    ("arguments", "command"),
    [(("new", "--id", "a_b"), "token new"), ((), "token"), (("old",), "token"), (("new", "more"), "token new")],
)
def test_wrong_usage_is_said(arguments: tuple[str, ...], command: str) -> None:
    failed = run("token", *arguments)
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"coterie: {command}: ")


@pytest.mark.parametrize(
    ("anonymous", "warning", "status"),
    [("auto", "need a token", 401), ("admin", "WITHOUT AUTHENTICATION", 200), ("read", "WITHOUT AUTHENTICATION", 200)],
)
def test_a_node_on_a_network_says_at_its_start_what_is_open(anonymous: str, warning: str, status: int) -> None:
    with running("--listen_addr", "0.0.0.0:0", "--public_addr", "127.0.0.1", AUTH__ANONYMOUS=anonymous) as node:
        assert any(warning in line for line in warnings(node))
        assert ask(node, "/v1/members") == status


def test_a_node_on_loopback_is_open_and_silent() -> None:
    with running() as node:
        assert ask(node, "/v1/tokens/self") == 200
        assert not warnings(node)


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ('{ id = "a", hash = "coterie_a_secret", rules = [{ layer = "*", action = "read" }] }', "hash must be sha256:"),
        ('{ id = "a_b", hash = "sha256:HASH", rules = [{ layer = "*", action = "read" }] }', "id must be"),
        ('{ id = "a", hash = "sha256:HASH", rules = [] }', "auth.tokens"),
        ('{ id = "a", hash = "sha256:HASH", rules = [{ layer = "x", action = "read" }] }', "auth.tokens"),
    ],
)
def test_a_token_that_is_none_stops_the_start_and_is_not_shown(token: str, problem: str, tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f"[auth]\ntokens = [{token.replace('HASH', '0' * 64)}]\n")
    failed = run("--config", str(config))
    assert failed.returncode == 2
    assert "auth.tokens" in failed.stderr
    assert problem in failed.stderr
    assert "secret" not in failed.stderr


def test_an_audit_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    failed = run("--listen_addr", "127.0.0.1:0", AUTH__AUDIT_FILE=str(tmp_path / "missing" / "audit.jsonl"))
    assert failed.returncode == 1
    assert "auth.audit_file" in failed.stderr


def test_tokens_are_reloaded_while_the_node_runs(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"

    def write(name: str) -> str:
        made = run("token", "new", "--id", name).stdout
        config.write_text(f'[auth]\nanonymous = "none"\n{made}')
        return next(line for line in made.splitlines() if line.startswith("# coterie_")).removeprefix("# ")

    first = write("first")
    with running("--config", str(config)) as node:
        assert ask(node, "/v1/members", first) == 200
        second = write("second")
        node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: ask(node, "/v1/members", second) == 200)
        assert ask(node, "/v1/members", first) == 401
