"""What gRPC puts around messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.etcd.grpc.framing import MessageReader, frame, read_timeout, status_trailers
from coterie.app.etcd.rpcs import EtcdCode, EtcdError


@given(messages=st.lists(st.binary(max_size=20)), cuts=st.lists(st.integers(1, 7)))
def test_messages_come_out_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    reader, rest, found = MessageReader(20), b"".join(map(frame, messages)), []
    for cut in [*cuts, len(rest)]:
        reader.feed(rest[:cut])
        rest = rest[cut:]
        while (message := reader.take()) is not None:
            found.append(message)
    assert found == messages
    assert reader.held == 0


def test_a_message_that_is_too_large_is_refused_before_it_comes() -> None:
    reader = MessageReader(10)
    reader.feed(b"\0\xff\xff\xff\xff")
    with pytest.raises(EtcdError, match=r"4294967295 bytes, more than http\.max_body_bytes = 10") as refused:
        reader.take()
    assert refused.value.code is EtcdCode.RESOURCE_EXHAUSTED


def test_a_compressed_message_is_refused() -> None:
    reader = MessageReader(10)
    reader.feed(b"\1\0\0\0\1a")
    with pytest.raises(EtcdError, match="compressed") as refused:
        reader.take()
    assert refused.value.code is EtcdCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (b"5S", 5.0),
        (b"100m", 0.1),
        (b"2H", 7200.0),
        (b"3M", 180.0),
        (b"7u", 7e-6),
        (b"99999999n", 0.099999999),
    ],
)
def test_deadlines(value: bytes | None, seconds: float | None) -> None:
    assert read_timeout(value) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("value", [b"", b"5", b"S", b"-1S", b"123456789S", b"1.5S", b"5s"])
def test_what_is_no_deadline_is_refused(value: bytes) -> None:
    with pytest.raises(EtcdError, match="grpc-timeout"):
        read_timeout(value)


def test_messages_of_errors_are_percent_encoded() -> None:
    trailers = dict(status_trailers(EtcdError(EtcdCode.NOT_FOUND, "100 % naïve\n")))
    assert trailers == {b"grpc-status": b"5", b"grpc-message": b"100 %25 na%C3%AFve%0A"}
