"""Values as msgpack, each with its type: what goes in comes out as equal values of the same types.

None, bool, int, float, str, bytes, list, tuple, set, frozenset, deque and dict of these travel; subclasses and all else
are refused with a TypeError that says where in the value they are. Nothing that is read can run code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

_INT, _TUPLE, _SET, _FROZENSET, _DEQUE, _DICT = range(1, 7)
_pack = msgspec.msgpack.Encoder().encode

_SEQUENCES: Final[dict[type, int]] = {tuple: _TUPLE, set: _SET, frozenset: _FROZENSET}
_MAKERS: Final[dict[int, Callable[[Any], Any]]] = {
    _TUPLE: tuple,
    _SET: set,
    _FROZENSET: frozenset,
    _DEQUE: lambda pair: deque(pair[0], pair[1]),
    _DICT: dict,
}


def encode(value: object, name: str) -> bytes:
    """`name`: what the value is, for the error. Raises TypeError where it cannot travel."""
    try:
        return _pack(_plain(value, name))
    except RecursionError:
        raise TypeError(f"{name} is nested too deeply, or contains itself: pass less of it") from None


def decode(data: bytes | memoryview) -> Any:
    """Raises ValueError for anything that `encode` does not write."""
    try:
        return _unpack(data)
    except (msgspec.MsgspecError, RecursionError, TypeError, IndexError) as error:
        raise ValueError(f"not a value of this codec: {error}") from None


def _plain(value: Any, name: str) -> Any:
    kind = type(value)
    if value is None or kind in {bool, float, bytes}:
        return value
    if kind is int:
        return value if -(1 << 63) <= value < 1 << 64 else _extension(_INT, hex(value))
    if kind is str:
        if not value.isascii():
            _check_text(value, name)
        return value
    if kind is list:
        return _items(value, name)
    if kind in _SEQUENCES:
        return _extension(_SEQUENCES[kind], _items(value, name))
    if kind is deque:
        return _extension(_DEQUE, [_items(value, name), value.maxlen])
    if kind is dict:
        pairs = [(_plain(k, f"a key of {name}"), _plain(v, f"{name}[{k!r}]")) for k, v in value.items()]
        return dict(pairs) if all(type(k) is str for k in value) else _extension(_DICT, pairs)
    raise TypeError(
        f"{name} is of type {_name_of(kind)}, which cannot be replicated: "
        "pass None, bool, int, float, str, bytes, list, tuple, set, frozenset, deque or dict"
    )


def _items(values: Iterable[Any], name: str) -> list[Any]:
    return [_plain(value, f"{name}[{at}]") for at, value in enumerate(values)]


def _extension(code: int, content: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, _pack(content))


def _check_text(value: str, name: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise TypeError(f"{name} is a str with lone surrogates, which has no UTF-8: pass bytes") from None


def _name_of(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _read(code: int, data: memoryview) -> Any:
    if code != _INT and code not in _MAKERS:
        raise ValueError(f"an unknown extension {code}")
    content = _unpack(data)
    return int(content, 16) if code == _INT else _MAKERS[code](content)


_unpack = msgspec.msgpack.Decoder(ext_hook=_read).decode
