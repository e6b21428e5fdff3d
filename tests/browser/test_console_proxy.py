"""The console behind a proxy that puts a path before the node's: all its addresses are relative."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from playwright.sync_api import Browser, expect

from tests.app.processes import running
from tests.browser.support.console import console

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PREFIX = b"/tools/coterie"


def _carry(source: socket.socket, target: socket.socket, *, strip: bool) -> None:
    """Until one of the two ends. `strip`: of requests, the prefix; those of a browser come whole."""
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data.replace(b" " + PREFIX + b"/", b" /", 1) if strip else data)
    _end(source, target)


def _end(*ends: socket.socket) -> None:
    """What reads from them wakes up."""
    for each in ends:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(address: tuple[str, int]) -> Iterator[str]:
    """To the node at `address`: its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []
    carriers: list[threading.Thread] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                node = socket.create_connection(address)
                ends.extend((client, node))
                for pair, strip in (((client, node), True), ((node, client), False)):
                    carriers.append(threading.Thread(target=_carry, args=pair, kwargs={"strip": strip}))
                    carriers[-1].start()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{PREFIX.decode()}"
    finally:
        _end(listening)
        serving.join()
        _end(*ends)
        for carrier in carriers:
            carrier.join()
        for each in (listening, *ends):
            each.close()


def test_a_path_before_the_nodes(browser: Browser) -> None:
    with running("--node_id", "behind") as node, proxy(node.address) as url, console(browser) as seen:
        seen.page.goto(f"{url}/ui")
        assert seen.page.url.startswith(f"{url}/ui/")
        seen.until_live()
        expect(seen.tally("live")).to_have_text("1")
        for view in seen.views:
            seen.go(view)
        asked = [each for each in seen.watched.requests if not each.startswith("data:")]
        assert [each for each in asked if not each.startswith(url + "/")] == []
        assert seen.watched.problems == []
