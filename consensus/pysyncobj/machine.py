"""The state machine of a program in PySyncObj's style: the `SyncObj` itself and its consumers, by number.

An operation names a method by consumer and full name (`1.set_v0`), never by a position in a list of methods (fault 14).
One that begins with a version instead of an array is the metadata's, where the program has those too.
An exception in a method is a result, the same at every member, and never a reason to apply an entry again (fault 8).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from coterie.consensus.pysyncobj.codec import decode, encode
from coterie.consensus.raft.errors import SafetyError
from coterie.consensus.raft.ports import StateLoader, StateMachine

logger = logging.getLogger(__name__)

CHUNK_BYTES = 128 << 10

ARRAY = 0x80
"""A program's operation begins with at least this byte, one of the metadata with less (msgpack; a format's version)."""

LENGTH_BYTES = 8
"""A snapshot of a program that has the metadata too: the length of the program's state, that, the metadata's."""


class Replicated(Protocol):
    """A `SyncObjConsumer`, or the `SyncObj` itself."""

    def _serialize(self) -> dict[str, Any]: ...

    def _deserialize(self, data: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Raised:
    """The result of a replicated method that raised."""

    error: Exception


class Methods:
    """The replicated methods of all objects, and which version of each is called."""

    def __init__(self, objects: Sequence[Replicated]) -> None:
        self._objects = objects
        self.keys: dict[str | tuple[int, str], str] = {}
        """By full name (the `SyncObj`'s) or (id of consumer, full name): what PySyncObj's decorator looks up."""
        self._by_key: dict[str, Callable[..., Any]] = {}
        self._versions: dict[str | tuple[int, str], dict[int, str]] = {}
        self.enabled = 0
        self.newest = 0
        """The highest version that this program's methods have."""
        for number, owner in enumerate(objects):
            for name in dir(type(owner)):
                method = getattr(type(owner), name)
                if getattr(method, "replicated", False) and name != method.origName:
                    self._add(number, owner, name, method)

    def _add(self, number: int, owner: Replicated, name: str, method: Any) -> None:
        key = f"{number}.{name}"
        self.keys[name if number == 0 else (id(owner), name)] = key
        self._by_key[key] = getattr(owner, name)
        plain = method.origName if number == 0 else (id(owner), method.origName)
        self._versions.setdefault(plain, {})[method.ver] = name
        self.newest = max(self.newest, method.ver)

    def current(self, name: str | tuple[int, str]) -> str:
        """The full name of the newest enabled version. Raises KeyError where none is enabled yet."""
        versions = self._versions[name]
        return versions[max((v for v in versions if v <= self.enabled), default=-1)]

    def call(self, key: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        method = self._by_key.get(key)
        if method is None:
            raise SafetyError(
                f"the log calls {key}, which this program does not have as a replicated method: "
                "run the program, with the same consumers in the same order, that the others run"
            )
        try:
            return method(*args, _doApply=True, **kwargs)
        except Exception as error:
            logger.exception("the replicated method %s raised; its caller gets REQUEST_DENIED", key)
            return Raised(error)


class ConsumersStateMachine:
    """`on_version(old, new)` is called when another code version is enabled, `on_voters` when the voters change."""

    def __init__(
        self,
        objects: Sequence[Replicated],
        methods: Methods,
        on_version: Callable[[int, int], None],
        metadata: StateMachine | None = None,
    ) -> None:
        self._objects = objects
        self._methods = methods
        self._on_version = on_version
        self._metadata = metadata
        self.on_voters: Callable[[], None] = lambda: None

    def encode_state(self) -> bytes:
        """Raises TypeError, which names the attribute, where the state cannot be replicated."""
        states = [each._serialize() for each in self._objects]
        try:
            return encode([self._methods.enabled, states], "the state")
        except TypeError:
            for each, state in zip(self._objects, states, strict=True):
                for key, value in state.items():
                    encode(value, f"the attribute {key} of {type(each).__name__}")
            raise

    # the port (`raft.ports.StateMachine`)

    def stamp(self) -> bytes | None:
        return None if self._metadata is None else self._metadata.stamp()

    def apply(self, op: bytes, index: int) -> Any:
        if self._metadata is not None and op[0] < ARRAY:
            return self._metadata.apply(op, index)
        match decode(op):
            case ["call", str(key), list(args), dict(kwargs)]:
                return self._methods.call(key, args, kwargs)
            case ["version", int(version)]:
                return self._enable(version)
        raise SafetyError(f"entry {index} holds no call: another program is in this group, or a newer release")

    def _enable(self, version: int) -> None:
        if version > self._methods.newest:
            raise SafetyError(f"the group switched to code version {version}: run the program that has it on this node")
        before, self._methods.enabled = self._methods.enabled, version
        self._on_version(before, version)

    def configure(self, voters: tuple[str, ...], index: int) -> None:
        if self._metadata is not None:
            self._metadata.configure(voters, index)
        self.on_voters()

    def skip(self, index: int) -> None:
        if self._metadata is not None:
            self._metadata.skip(index)

    def snapshot(self) -> Iterator[bytes]:
        state = self.encode_state()
        if self._metadata is not None:
            state = len(state).to_bytes(LENGTH_BYTES, "little") + state
        chunks = [state[at : at + CHUNK_BYTES] for at in range(0, len(state), CHUNK_BYTES)]
        return chain(chunks, () if self._metadata is None else self._metadata.snapshot())

    def restore(self, chunks: Iterator[bytes]) -> None:
        loader = self.loader()
        for chunk in chunks:
            loader.feed(chunk)
        loader.finish()

    def loader(self) -> ConsumersLoader:
        return ConsumersLoader(self._read, None if self._metadata is None else self._metadata.loader())

    def _read(self, data: bytes) -> Callable[[], None]:
        """What makes this the state. Raises ValueError."""
        enabled, states = decode(data)
        if len(states) != len(self._objects):
            raise ValueError(f"the snapshot holds {len(states)} objects, this program has {len(self._objects)}")

        def load() -> None:
            for each, state in zip(self._objects, states, strict=True):
                each._deserialize(state)
            self._methods.enabled = enabled

        return load


class ConsumersLoader:
    def __init__(self, read: Callable[[bytes], Callable[[], None]], metadata: StateLoader | None) -> None:
        self._read = read
        self._metadata = metadata
        self._data = bytearray()
        self._end: int | None = None
        """Of the program's part."""

    def feed(self, chunk: bytes) -> None:
        if self._metadata is None:
            self._data += chunk
            return
        if self._end is None or len(self._data) < self._end:
            self._data += chunk
            chunk = b""
            if self._end is None and len(self._data) >= LENGTH_BYTES:
                self._end = LENGTH_BYTES + int.from_bytes(self._data[:LENGTH_BYTES], "little")
            if self._end is not None:
                chunk = bytes(self._data[self._end :])
                del self._data[self._end :]
        if chunk:
            self._metadata.feed(chunk)

    def finish(self) -> None:
        """Raises ValueError where this program has the metadata, and the one that wrote the snapshot had not."""
        if self._metadata is None:
            self._read(bytes(self._data))()
            return
        if self._end is None or len(self._data) < self._end:
            raise ValueError("the snapshot is of another program: run the one that the others run")
        load = self._read(bytes(self._data[LENGTH_BYTES:]))
        self._metadata.finish()
        load()
