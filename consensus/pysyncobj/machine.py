"""The state machine of a program in PySyncObj's style: the `SyncObj` itself and its consumers, by number.

An operation names a method by consumer and full name (`1.set_v0`), never by a position in a list of methods (fault 14).
An exception in a method is a result, the same at every member, and never a reason to apply an entry again (fault 8).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from coterie.consensus.pysyncobj.codec import decode, encode
from coterie.consensus.raft.errors import SafetyError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 128 << 10


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

    def __init__(self, objects: Sequence[Replicated], methods: Methods, on_version: Callable[[int, int], None]) -> None:
        self._objects = objects
        self._methods = methods
        self._on_version = on_version
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
        return None

    def apply(self, op: bytes, index: int) -> Any:
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
        self.on_voters()

    def skip(self, index: int) -> None: ...

    def snapshot(self) -> Iterator[bytes]:
        state = self.encode_state()
        return iter([state[at : at + CHUNK_BYTES] for at in range(0, len(state), CHUNK_BYTES)])

    def restore(self, chunks: Iterator[bytes]) -> None:
        loader = self.loader()
        for chunk in chunks:
            loader.feed(chunk)
        loader.finish()

    def loader(self) -> StateLoader:
        return StateLoader(self._load)

    def _load(self, data: bytes) -> None:
        enabled, states = decode(data)
        if len(states) != len(self._objects):
            raise ValueError(f"the snapshot holds {len(states)} objects, this program has {len(self._objects)}")
        for each, state in zip(self._objects, states, strict=True):
            each._deserialize(state)
        self._methods.enabled = enabled


class StateLoader:
    def __init__(self, load: Callable[[bytes], None]) -> None:
        self._load = load
        self._data = bytearray()

    def feed(self, chunk: bytes) -> None:
        self._data += chunk

    def finish(self) -> None:
        self._load(bytes(self._data))
