"""Calls of replicated methods: from what PySyncObj's decorator packs in this process to what the log holds.

PySyncObj's `@replicated` hands each call over as a pickle that it made in the same call of the same thread. It is read
here at once, without importing or running anything that it names, and goes on as typed msgpack: no pickle is ever sent,
stored, or read from outside this process.
"""

from __future__ import annotations

import codecs
import io
import pickle  # only the reader below, which resolves no names
from collections import deque
from typing import Any, Final

from coterie.consensus.pysyncobj.codec import encode

_KNOWN: Final[dict[tuple[str, str], Any]] = {
    ("__builtin__", "set"): set,
    ("__builtin__", "frozenset"): frozenset,
    ("__builtin__", "bytes"): bytes,
    ("_codecs", "encode"): codecs.encode,
    ("collections", "deque"): deque,
}


class _Foreign:
    """Stands for an object of a type that cannot be replicated, so that the error can say which argument it was."""

    def __new__(cls, *args: Any, **_: Any) -> _Foreign:
        named = args and isinstance(args[0], type) and issubclass(args[0], _Foreign)
        made: _Foreign = super().__new__(args[0] if named else cls)
        return made

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...

    def __setitem__(self, _: Any, __: Any) -> None: ...

    def append(self, _: Any) -> None: ...

    def extend(self, _: Any) -> None: ...


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = "builtins" if module == "__builtin__" and (module, name) not in _KNOWN else module
        return _KNOWN.get((module, name)) or type(name, (_Foreign,), {"__module__": module})


def call_operation(packed: bytes) -> bytes:
    """The operation for a call that PySyncObj's decorator packed: `["call", method, args, kwargs]`.

    Raises TypeError, which names the argument and its type, where an argument cannot be replicated.
    """
    call = _Reader(io.BytesIO(packed)).load()
    method, args, kwargs = (*call, {})[:3] if isinstance(call, tuple) else (call, (), {})
    name = method.partition(".")[2].rpartition("_v")[0]
    try:
        return encode(["call", method, list(args), kwargs], f"the call of {name}()")
    except TypeError:
        for at, value in enumerate(args, 1):
            encode(value, f"argument {at} of {name}()")
        for key, value in kwargs.items():
            encode(value, f"argument {key!r} of {name}()")
        raise


def version_operation(version: int) -> bytes:
    return encode(["version", version], "the code version")
