"""Values travel with their types; what cannot is refused where the program calls."""

from __future__ import annotations

import contextlib
import datetime
import enum
from collections import OrderedDict, deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.consensus.pysyncobj.calls import call_operation
from coterie.consensus.pysyncobj.codec import decode, encode

KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
VALUES = st.recursive(
    KEYS | st.sets(KEYS, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(deque) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=20,
)


class Colour(enum.IntEnum):
    RED = 1


def typed(value: Any) -> str:
    """Its value and types, sets in any order."""
    if isinstance(value, set | frozenset):
        return f"{type(value)}{sorted(map(typed, value))}"
    if isinstance(value, dict):
        return f"dict{sorted((typed(k), typed(v)) for k, v in value.items())}"
    if isinstance(value, list | tuple | deque):
        return f"{type(value)}{[typed(each) for each in value]}"
    return repr(value)


@given(VALUES)
def test_what_goes_in_comes_out(value: Any) -> None:
    assert typed(decode(encode(value, "value"))) == typed(value)


def test_a_deque_keeps_its_bound() -> None:
    assert decode(encode(deque([1, 2], 3), "value")).maxlen == 3


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "value is of type object"),
        ([1, {"a": {2: Colour.RED}}], r"value\[1\]\['a'\]\[2\] is of type .*Colour"),
        (OrderedDict(a=1), "value is of type collections.OrderedDict"),
        ({(1, datetime.date(2020, 1, 1)): 1}, r"a key of value\[1\] is of type datetime.date"),
        (bytearray(b"a"), "value is of type bytearray"),
        ("\ud800", "lone surrogates"),
    ],
)
def test_what_cannot_travel_is_refused_with_its_place_and_type(value: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        encode(value, "value")


def test_a_value_in_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TypeError, match="contains itself"):
        encode(value, "value")


@given(st.binary(max_size=64))
def test_bytes_that_are_no_value_raise_valueerror_alone(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode(data)


class Trap:
    ran = 0

    def __reduce__(self) -> Any:
        return spring, (1,)


def spring(_: int) -> None:
    Trap.ran += 1


def test_reading_a_call_runs_nothing_that_it_names() -> None:
    packed = pack(("1.set_v0", ("key", Trap())))
    with pytest.raises(TypeError, match=r"argument 2 of set\(\) is of type .*spring"):
        call_operation(packed)
    assert Trap.ran == 0


def pack(call: Any) -> bytes:
    from coterie.consensus.pysyncobj.engine import syncobj

    packed: bytes = syncobj.pickle.dumps(call)
    return packed


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        ("1.inc_v0", ["call", "1.inc_v0", [], {}]),
        (("1.add_v0", ({1, 2},)), ["call", "1.add_v0", [{1, 2}], {}]),
        (("0.put_v1", (b"\xff", b"", (1,)), {"x": frozenset([1])}), None),
        (("0.put_v1", (1 << 70, -(1 << 70), 1.5, None, deque([1])), {"y": True}), None),
    ],
)
def test_a_call_of_the_decorator_becomes_an_operation(call: Any, operation: Any) -> None:
    expected = operation or ["call", call[0], list(call[1]), call[2]]
    assert decode(call_operation(pack(call))) == expected


def test_a_keyword_argument_is_named() -> None:
    with pytest.raises(TypeError, match=r"argument 'when' of put\(\) is of type datetime.date"):
        call_operation(pack(("0.put_v0", (1,), {"when": datetime.date(2020, 1, 1)})))
