"""The page that shows the OpenAPI document: anybody may ask for it."""

from __future__ import annotations

import gzip

import httpx
import pytest
from fastapi import FastAPI

from coterie.app.api.console import docs_page

pytestmark = pytest.mark.anyio


async def test_a_large_file_is_unpacked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[bytes] = []
    unpack = gzip.decompress

    def spy(data: bytes) -> bytes:
        unpacked.append(data)
        return unpack(data)

    monkeypatch.setattr("gzip.decompress", spy)
    docs_page._plain.cache_clear()
    app = FastAPI()
    docs_page.add_docs(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        path, plain = "/docs/swagger-ui-bundle.js", {"Accept-Encoding": "identity"}
        answers = [(await client.get(path, headers=plain)).content for _ in range(3)]
        packed = await client.get(path)
    assert len(unpacked) == 1
    assert set(answers) == {packed.content}
    assert packed.headers["content-encoding"] == "gzip"
