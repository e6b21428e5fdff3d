"""Keys, values and request ids survive the way to the node and back, whatever they hold."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.client.encoding import NOT_OVER_HTTP, encoded, path_part, read_bytes, span_of, text_of
from coterie.app.client.request_ids import read_request_id, write_request_id
from coterie.app.http import request as of_the_node
from coterie.app.http.request import read_key
from coterie.app.wire.encoding import to_bytes, to_text
from coterie.consensus import RefusedError, RequestId
from coterie.consensus.store import prefix_end

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(TEXTS)
def test_a_key_is_one_part_of_a_path(key: str) -> None:
    path = httpx.URL(f"http://host/v1/meta/{path_part(key)}").raw_path
    assert path.startswith(b"/v1/meta/")
    assert read_key(path.removeprefix(b"/v1/meta/")) == key
    assert unquote_to_bytes(path).decode() == f"/v1/meta/{key}"


@given(st.binary(max_size=40))
def test_a_value_is_what_the_node_takes_and_gives(value: bytes) -> None:
    sent = encoded(value)
    assert to_bytes(sent["value"], sent.get("encoding", "utf-8")) == value
    assert read_bytes(*to_text(value)) == value


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**53 - 1))
def test_a_request_id_is_what_the_node_reads(part: bytes, time_ms: int) -> None:
    request = RequestId(part, time_ms)
    assert of_the_node.read_request_id(write_request_id(request)) == request
    assert read_request_id(of_the_node.write_request_id(request)) == request


def test_request_ids_of_other_makes() -> None:
    assert read_request_id(write_request_id(RequestId(b"mine", 7))) == RequestId(b"mine", 7)
    assert read_request_id("7-") is None
    with pytest.raises(RefusedError):
        write_request_id(RequestId(b"two words", 7))


@given(TEXTS)
def test_ranges_are_keys_and_prefixes(text: str) -> None:
    start = text.encode()
    assert span_of(start, start + b"\0") == ("key", text)
    assert span_of(start, prefix_end(start)) == ("prefix", text)


@pytest.mark.parametrize(("start", "end"), [(b"a", b"c"), (b"a", None), (b"\xff", b"\xff\0"), (b"\xff", None)])
def test_other_ranges_are_refused(start: bytes, end: bytes | None) -> None:
    with pytest.raises(RefusedError) as caught:
        span_of(start, end)
    assert caught.value.code == NOT_OVER_HTTP


def test_keys_that_are_no_text_are_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        text_of(b"\xff")
    assert caught.value.code == NOT_OVER_HTTP
    with pytest.raises(RefusedError):
        path_part("")
    with pytest.raises(RefusedError):
        path_part("\ud800")
