"""TLS of real nodes: who is let in, what is wrong with files, certificates that change, and what goes between nodes."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvloop

from coterie.app.http.server import MAX_HANDSHAKES
from coterie.app.http.tls.context import Tls, TlsError
from coterie.app.settings.tls import TlsSettings
from tests.app.certificates import Authority
from tests.app.processes import Running, run, running
from tests.waiting import PATIENCE_SECONDS, wait_until

NODE = "node.coterie.internal"


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority("ours")


@pytest.fixture(scope="module")
def foreign() -> Authority:
    return Authority("foreign")


def settings(directory: Path, ours: Authority, *names: str, **more: str) -> dict[str, Any]:
    certificate, key = ours.certify(directory, *(names or ("127.0.0.1", NODE)))
    return {
        "TLS__CERTIFICATE": certificate,
        "TLS__KEY": key,
        "TLS__CA": ours.file(directory),
        **more,
    }


def trusting(authority: Authority, shown: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.pem.decode())
    if shown is not None:
        context.load_cert_chain(*shown)
    return context


def ask(
    node: Running, context: ssl.SSLContext | None, method: str = "GET", path: str = "/v1/members"
) -> httpx.Response:
    host, port = node.address
    scheme = "http" if context is None else "https"
    return httpx.request(method, f"{scheme}://{host}:{port}{path}", verify=context or False, content=b"x", timeout=60)


def is_refused(node: Running, context: ssl.SSLContext | None) -> bool:
    try:
        ask(node, context)
    except (httpx.TransportError, ssl.SSLError):
        return True
    return False


def test_a_node_speaks_tls_alone(ours: Authority, foreign: Authority, tmp_path: Path) -> None:
    with running(**settings(tmp_path, ours)) as node:
        assert node.start_line["url"].startswith("https://127.0.0.1:")
        assert ask(node, trusting(ours)).status_code == 200
        assert is_refused(node, trusting(foreign))
        assert is_refused(node, None)
        old = trusting(ours)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        assert is_refused(node, old)
        assert ask(node, trusting(ours)).status_code == 200


def test_clients_show_certificates_where_they_must(ours: Authority, foreign: Authority, tmp_path: Path) -> None:
    needed = {"TLS__CLIENT_CERTIFICATES": "required", "TLS__MINIMUM_VERSION": "1.3"}
    with running(**settings(tmp_path, ours, **needed)) as node:
        assert ask(node, trusting(ours, ours.certify(tmp_path, "client"))).status_code == 200
        assert is_refused(node, trusting(ours))
        assert is_refused(node, trusting(ours, foreign.certify(tmp_path, "client")))
        assert is_refused(node, trusting(ours, ours.certify(tmp_path, "client", lasts=timedelta(days=-1))))
        older = trusting(ours, ours.certify(tmp_path, "client"))
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        assert is_refused(node, older)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("missing", "tls.certificate"),
        ("mismatched", "tls.key"),
        ("expired", "expired"),
        ("no key", "tls.key"),
        ("garbage", "tls.certificate"),
        ("bad ca", "tls.ca"),
    ],
)
def test_files_that_cannot_be_used_stop_the_start(ours: Authority, tmp_path: Path, wrong: str, said: str) -> None:
    given = settings(tmp_path, ours)
    match wrong:
        case "missing":
            given["TLS__CERTIFICATE"] = str(tmp_path / "none.pem")
        case "mismatched":
            given["TLS__KEY"] = ours.certify(tmp_path, "127.0.0.1")[1]
        case "expired":
            given["TLS__CERTIFICATE"], given["TLS__KEY"] = ours.certify(
                tmp_path, "127.0.0.1", lasts=timedelta(hours=-1)
            )
        case "no key":
            del given["TLS__KEY"]
        case "garbage":
            Path(given["TLS__CERTIFICATE"]).write_text("no certificate")
        case _:
            Path(given["TLS__CA"]).write_text("no certificate")
    failed = run("--listen_addr", "127.0.0.1:0", **given)
    assert failed.returncode in {1, 2}
    assert said in failed.stderr.lower()
    assert "Traceback" not in failed.stderr


def test_certificates_are_reloaded_and_bad_ones_are_not(ours: Authority, foreign: Authority, tmp_path: Path) -> None:
    given = settings(tmp_path, ours)
    with running(**given) as node:
        kept = Path(given["TLS__CERTIFICATE"]).read_bytes()
        Path(given["TLS__CERTIFICATE"]).write_text("no certificate")
        node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings not reloaded" in node.log)
        assert ask(node, trusting(ours)).status_code == 200
        Path(given["TLS__CERTIFICATE"]).write_bytes(kept)
        certificate, key = foreign.certify(tmp_path, "127.0.0.1")
        shutil.copy(certificate, given["TLS__CERTIFICATE"])
        shutil.copy(key, given["TLS__KEY"])
        node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: is_refused(node, trusting(ours)))
        assert ask(node, trusting(foreign)).status_code == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_an_authority_taken_out_of_its_file_is_trusted_no_more(
    ours: Authority, foreign: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """By new connections, also those that would go on with a session of before; open connections go on."""
    given = settings(tmp_path, ours, TLS__CLIENT_CERTIFICATES="required")
    Path(given["TLS__CA"]).write_bytes(ours.pem + foreign.pem)
    shown = trusting(ours, foreign.certify(tmp_path, "client"))
    shown.maximum_version = version
    with running(**given) as node:

        def connect(session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
            return shown.wrap_socket(node.connect(), server_hostname="127.0.0.1", session=session)

        with connect() as kept:
            assert answered(kept)
            session = kept.session
            with connect(session) as resumed:
                assert answered(resumed)
                assert resumed.session_reused
            Path(given["TLS__CA"]).write_bytes(ours.pem)
            node.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "settings reloaded" in node.log)
            assert is_refused(node, shown)
            with suppress(OSError), connect(session) as refused:  # which in TLS 1.3 it hears after the handshake
                assert not answered(refused)
            assert ask(node, trusting(ours, ours.certify(tmp_path, "client"))).status_code == 200
            assert answered(kept)


def answered(connection: ssl.SSLSocket) -> bool:
    connection.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65_536)
        if not chunk:
            return False
        received += chunk
    while len(received.partition(b"\r\n\r\n")[2]) < length_of(received):
        received += connection.recv(65_536)
    return received.startswith(b"HTTP/1.1 200 ")


def length_of(answer: bytes) -> int:
    found = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
    assert found is not None, answer
    return int(found[1])


class Echo(asyncio.Protocol):
    """Of connections whose handshake was accepted."""

    def __init__(self, made: list[Echo]) -> None:
        self.made = made
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.made.append(self)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("of", ["http", "raft"])
def test_both_sides_take_their_authorities_anew(
    ours: Authority,
    foreign: Authority,
    tmp_path: Path,
    of: str,
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(ours.pem + foreign.pem)
    changing = tmp_path / "changing.pem"
    changing.write_bytes(ours.pem + foreign.pem)

    def tls(authority: Authority, ca: Path) -> Tls:
        certificate, key = map(Path, authority.certify(tmp_path, "127.0.0.1"))
        return Tls(TlsSettings(certificate=certificate, key=key, ca=ca, client_certificates="required"))

    def contexts(side: Tls) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        return (side.server, side.client) if of == "http" else (side.raft_server, side.raft_client)

    made: list[Echo] = []

    async def listen(context: ssl.SSLContext) -> tuple[asyncio.Server, tuple[str, int]]:
        server = await asyncio.get_running_loop().create_server(lambda: Echo(made), "127.0.0.1", 0, ssl=context)
        host, port = server.sockets[0].getsockname()
        return server, (host, port)

    async def is_let_in(context: ssl.SSLContext, where: tuple[str, int]) -> bool:
        try:
            reader, writer = await asyncio.open_connection(*where, ssl=context)
        except OSError:  # those of TLS are
            return False
        try:
            return await is_echoed(reader, writer)
        finally:
            await end(writer)

    async def is_echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            writer.write(b"x\n")
            return await reader.readline() == b"x\n"
        except OSError:
            return False

    async def end(writer: asyncio.StreamWriter) -> None:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def main() -> None:
        one, other = tls(ours, changing), tls(foreign, both)
        (server, client), (foreign_server, foreign_client) = contexts(one), contexts(other)
        async with asyncio.timeout(PATIENCE_SECONDS):
            (listening, where), (foreign_listening, foreign_where) = await listen(server), await listen(foreign_server)
            assert await is_let_in(foreign_client, where)
            assert await is_let_in(client, foreign_where)
            kept = await asyncio.open_connection(*where, ssl=foreign_client)
            changing.write_bytes(ours.pem)
            use = one.prepare()
            assert await is_let_in(foreign_client, where)  # it was only looked at
            use()
            assert not await is_let_in(foreign_client, where)
            assert not await is_let_in(client, foreign_where)
            assert await is_let_in(client, where)
            assert await is_echoed(*kept)
            changing.write_text("no certificates")
            with pytest.raises(TlsError, match=r"tls\.ca"):
                one.prepare()
            assert await is_let_in(client, where)
            changing.write_bytes(foreign.pem)
            one.prepare()()
            assert await is_let_in(foreign_client, where)
            assert not await is_let_in(client, where)
            await end(kept[1])
            for each in (listening, foreign_listening):
                each.close()
            for connection in made:
                await connection.ended.wait()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("names", [("127.0.0.1",), (NODE,)], ids=["by address", "by name"])
def test_nodes_speak_tls_with_each_other(ours: Authority, tmp_path: Path, names: tuple[str, ...]) -> None:
    """Raft's links between two voters, and requests that a node without Raft passes on."""
    more = {"TLS__CLIENT_CERTIFICATES": "required"}
    if names == (NODE,):
        more["TLS__NODE_NAME"] = NODE
    raft = {"RAFT__ENABLED": "true", "RAFT__FOUNDERS": "a,b,c", "RAFT__LISTEN_ADDR": "127.0.0.1:0"}
    client = trusting(ours, ours.certify(tmp_path, "client"))
    client.check_hostname = False

    def given(name: str) -> dict[str, Any]:
        return {"NODE_ID": name, **settings(tmp_path, ours, *names, **more)}

    def voter(name: str) -> dict[str, Any]:
        return {**given(name), **raft, "DATA_DIR": str(tmp_path / name)}

    with running(**voter("a")) as a:
        seed: dict[str, Any] = {"SEED": ":".join(map(str, a.address))}
        with running(**voter("b"), **seed), running(**voter("c"), **seed), running(**given("far"), **seed) as far:
            wait_until(lambda: ask(far, client, "PUT", "/v1/meta/key").status_code == 200)
            wait_until(lambda: ask(a, client, "GET", "/v1/meta/key").status_code == 200)
            assert ask(far, client, "GET", "/v1/meta/key").json()["value"] == "x"


def test_handshakes_that_never_end_take_a_bounded_number_of_descriptors(ours: Authority, tmp_path: Path) -> None:
    with running(**settings(tmp_path, ours, HTTP__HEAD_SECONDS="600")) as node:
        held = [node.connect() for _ in range(MAX_HANDSHAKES + 200)]
        for connection in held:
            connection.setblocking(False)

        def ended(connection: socket.socket) -> bool:
            try:
                return connection.recv(1) == b""
            except BlockingIOError:
                return False
            except ConnectionError:
                return True

        wait_until(lambda: sum(map(ended, held)) >= 200)
        assert len(list(Path(f"/proc/{node.process.pid}/fd").iterdir())) < MAX_HANDSHAKES + 100
        assert ask(node, trusting(ours), path="/livez").status_code == 200
        for connection in held:
            connection.close()
