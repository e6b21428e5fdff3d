"""The end of a stream's tasks."""

from __future__ import annotations

import asyncio

import pytest

from coterie.app.client.transport import streams

pytestmark = pytest.mark.anyio


async def test_a_task_that_loses_its_first_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CANCEL_AGAIN_SECONDS", 0.01)
    lost = 0

    async def careless() -> None:
        nonlocal lost
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(careless())
    await asyncio.sleep(0)
    await streams.end_tasks(task)
    assert (task.cancelled(), lost) == (True, 1)
    await streams.end_tasks(task)
