"""Live updates of a process: how it ends them."""

from __future__ import annotations

import json
import signal

from websockets.sync.client import connect

from tests.app.processes import running
from tests.waiting import PATIENCE_SECONDS


def test_a_process_that_is_stopped_says_so_and_stops() -> None:
    with running() as node:
        url = "ws://{}:{}/v1/ws".format(*node.address)
        with connect(url, open_timeout=PATIENCE_SECONDS, proxy=None) as client:
            while json.loads(client.recv(PATIENCE_SECONDS))["type"] != "ready":
                pass
            node.process.send_signal(signal.SIGTERM)
            last = [json.loads(text) for text in client][-1]
            assert last["type"] == "end"
            assert last["error"]["code"] == "unavailable"
            assert client.close_code == 1001
        assert node.process.wait(PATIENCE_SECONDS) == 0
        assert "error" not in node.log
