"""`coterie backup` as its users meet it: from a running node to a file, and from the file to a new cluster."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from coterie.app.main import main
from tests.app.processes import Running, run, running
from tests.waiting import PATIENCE_SECONDS, wait_for

SINGLE = {"RAFT__ENABLED": "true", "RAFT__BOOTSTRAP_EXPECT": "1", "INTERVAL_MS": "100"}


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Something at an address that gives this answer to whoever asks."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        thread.join(PATIENCE_SECONDS)


def ask(node: Running, method: str, path: str, content: str | None = None) -> httpx.Response:
    """Until it is there to answer."""
    url = "http://{}:{}{}".format(*node.address, path)

    def answer() -> httpx.Response | None:
        found = httpx.request(method, url, content=content, timeout=PATIENCE_SECONDS)
        return None if found.status_code == 503 else found

    return wait_for(answer, lambda: node.log)


@pytest.mark.slow
@pytest.mark.cluster
def test_a_backup_becomes_a_new_cluster_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    file.write_text("an older one")
    with running(DATA_DIR=str(tmp_path / "old"), **SINGLE) as node:  # type: ignore[arg-type]
        for number in range(3):
            assert ask(node, "PUT", f"/v1/meta/k{number}", str(number)).status_code == 200
        said = run("backup", "--address", "{}:{}".format(*node.address), "--output", str(file))
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout == f"{file}: 3 keys at revision 3, {file.stat().st_size} bytes.\n"
        assert file.stat().st_mode & 0o077 == 0
    restored = tmp_path / "new"
    restored.mkdir()
    assert main(["recover", "--data_dir", str(restored), "--backup", str(file), "--yes"]) == 0
    with running(DATA_DIR=str(restored), **SINGLE) as node:  # type: ignore[arg-type]
        assert [ask(node, "GET", f"/v1/meta/k{number}").json()["value"] for number in range(3)] == ["0", "1", "2"]


REFUSAL = b'{"error": {"code": "refused", "message": "not now", "parameter": null}}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "code", "problem"),
    [
        (CHUNKED + b"5\r\nhello\r\n", 5, "did not answer: peer closed connection"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", 1, "is no whole backup"),
        (b"HTTP/1.1 409 x\r\nContent-Length: %d\r\n\r\n%s" % (len(REFUSAL), REFUSAL), 1, "coterie: not now"),
        (b"HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\nhello", 1, "is no node of Coterie (status 404)"),
        (b"hello\r\n\r\n", 5, "coterie: http://127.0.0.1:"),
    ],
)
def test_what_is_no_whole_backup_is_not_kept(
    answer: bytes, code: int, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "backup"
    file.write_text("an older one")
    with answering(answer) as address:
        assert main(["backup", "--address", address, "--timeout", "20", "--output", str(file)]) == code
    captured = capsys.readouterr()
    assert problem in captured.err
    assert captured.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]
    assert file.read_text() == "an older one"


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        ([], 2, "backup: Missing option '--output'"),
        (["--output", "/no/such/directory/x"], 1, "--output /no/such/directory/x: No such file or directory"),
        (
            ["--output", "{}/x", "--address", "ftp://nowhere"],
            2,
            "--address: must be http://host:port, https://host:port",
        ),
        (["--output", "{}/x", "--token_file", "/no/such/file"], 2, "--token_file /no/such/file: "),
        (["--output", "{}/x", "--address", "https://127.0.0.1:1", "--ca_file", "/no/such/file"], 2, "--ca_file "),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], code: int, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", *(each.format(tmp_path) for each in arguments)]) == code
    assert problem in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
