"""The client's settings: what beats what, what is refused and in which words, and that nodes pass over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coterie.app.client import Client, ClientError
from coterie.app.client.addresses import DEFAULT_ADDRESS
from coterie.app.client.settings import ClientSettings, load_client_settings
from coterie.app.settings.loading import load_settings

TOKEN = "coterie_test_" + "0" * 64


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client file, where it is looked for."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "coterie" / "client.toml"
    path.parent.mkdir()
    return path


def write(file: Path, text: str, mode: int = 0o600) -> None:
    file.write_text(text)
    file.chmod(mode)


def test_the_defaults(file: Path) -> None:
    settings = load_client_settings()
    assert (settings.address, settings.timeout, settings.secret()) == ((DEFAULT_ADDRESS,), 10.0, None)


def test_arguments_beat_the_environment_which_beats_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, 'address = ["a:1", "https://b:2"]\ntimeout = 3\n')
    assert load_client_settings().address == ("http://a:1", "https://b:2")
    monkeypatch.setenv("COTERIE_CLIENT_ADDRESS", "c:3, http://d:4")
    assert load_client_settings().address == ("http://c:3", "http://d:4")
    assert load_client_settings(address=("e:5",)).address == ("http://e:5",)
    assert load_client_settings(address=None).timeout == 3.0


def test_a_file_that_is_named_must_be_there(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.toml"
    monkeypatch.setenv("COTERIE_CLIENT_FILE", str(other))
    with pytest.raises(ClientError, match=r"COTERIE_CLIENT_FILE: .*other\.toml"):
        load_client_settings()
    write(other, "timeout = 4")
    assert load_client_settings().timeout == 4.0


def test_a_token_of_a_stronger_source_hides_the_file_of_a_weaker_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "token"
    held.write_text(TOKEN + "\n")
    write(file, f'token_file = "{held}"')
    assert load_client_settings().secret() == TOKEN
    monkeypatch.setenv("COTERIE_CLIENT_TOKEN", "another")
    assert load_client_settings().secret() == "another"
    assert load_client_settings(token_file=held).secret() == TOKEN


def test_a_file_with_a_token_is_for_its_owner_alone(file: Path) -> None:
    write(file, f'token = "{TOKEN}"', 0o640)
    with pytest.raises(ClientError, match=r"others may read it; run: chmod 600") as caught:
        load_client_settings()
    assert TOKEN not in str(caught.value)
    file.chmod(0o600)
    assert load_client_settings().secret() == TOKEN
    write(file, "timeout = 3", 0o644)
    assert load_client_settings().timeout == 3.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("adress = 1", "adress in {file}: unknown setting"),
        ("timeout = 0", "timeout in {file}: Input should be greater than 0"),
        ('address = "ftp://x"', "address in {file}: must be http://host:port"),
        ('address = "http://x/path"', "address in {file}: must be http://host:port"),
        ('address = "10.0.0.1"', "address in {file}: must be http://host:port"),
        ('address = "10000"', "address in {file}: must be http://host:port"),
        ("address = []", "address in {file}: "),
        ("address = [", "{file}: "),
        ('token = ""', "token in {file}: must be a token"),
    ],
)
def test_what_is_wrong_is_named(file: Path, text: str, problem: str) -> None:
    write(file, text)
    with pytest.raises(ClientError) as caught:
        load_client_settings()
    assert str(caught.value).startswith(problem.format(file=file))


def test_variables_are_named_as_they_were_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_CLIENT_TIMEOUT", "soon")
    with pytest.raises(ClientError, match=r"^COTERIE_CLIENT_TIMEOUT: "):
        load_client_settings()
    monkeypatch.setenv("COTERIE_CLIENT_TIMEOUT", "1")
    monkeypatch.setenv("COTERIE_CLIENT_ADRESS", "a:1")
    with pytest.raises(ClientError, match=r"^COTERIE_CLIENT_ADRESS: unknown environment variable"):
        load_client_settings()


def test_what_kubernetes_sets_beside_a_service_is_no_setting(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_CLIENT_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("COTERIE_CLIENT_PORT", "tcp://10.0.0.1:80")
    assert load_client_settings().address == (DEFAULT_ADDRESS,)


def test_a_token_is_not_shown(file: Path) -> None:
    assert TOKEN not in repr(ClientSettings(token=TOKEN))  # type: ignore[arg-type]


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file"), ("\n", "is empty")])
def test_a_token_file_that_holds_none(file: Path, tmp_path: Path, content: str | None, problem: str) -> None:
    held = tmp_path / "token"
    if content is not None:
        held.write_text(content)
    with pytest.raises(ClientError, match=f"^token_file .*{problem}"):
        load_client_settings(token_file=held).secret()


def test_a_node_passes_over_the_clients_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_CLIENT_ADDRESS", "a:1")
    monkeypatch.setenv("COTERIE_CLIENT_ANYTHING", "x")
    assert load_settings({}).listen_addr.port == 10_000


async def made_from(**options: Any) -> tuple[str, ...]:
    async with Client.from_settings(**options) as client:
        return client.addresses


@pytest.mark.anyio
async def test_a_client_is_made_from_settings(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_CLIENT_ADDRESS", "a:1,a:1,http://b")
    assert await made_from() == ("http://a:1", "http://b:80")
    assert await made_from(address="[::1]:7") == ("http://[::1]:7",)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"ca_file": "/none"}, "are for addresses with https"),
        ({"address": "https://x", "ca_file": "/none"}, "^ca_file /none: No such file"),
        ({"address": "https://x", "key_file": "/none"}, "^cert_file must be set"),
        ({"address": "https://x", "cert_file": "/none"}, "^cert_file /none"),
        ({"token": "two words\n"}, ""),
    ],
)
async def test_files_and_tokens_that_cannot_be_used(file: Path, options: dict[str, str], problem: str) -> None:
    if not problem:
        with pytest.raises(ClientError, match=r"^token must be"):
            Client(token=options["token"])
        return
    with pytest.raises(ClientError, match=problem):
        await made_from(**options)
