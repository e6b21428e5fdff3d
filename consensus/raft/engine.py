"""The one place that imports PySyncObj: checks that it is the known release, and undoes what its import breaks.

The node replaces private methods, so it runs only on sources whose hash it knows (specification, section 2).
Importing PySyncObj replaces `socket.inet_ntop` by a Windows stub and patches pickle's dispatch table (fault 15).
"""

from __future__ import annotations

import _socket
import hashlib
import importlib.util
import pickle  # only to put its dispatch table back as it was; nothing is ever loaded
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from coterie.consensus.raft.errors import EngineMismatchError

KNOWN_SOURCES: Final = {
    "0.3.17": "45ba8b60ce682f65a65c8ab0c8c724028a28872c6470f0368c6dd4e015de7e15",
}
"""SHA-256 over every module of the package, by release. How to add one: consensus/DESIGN.md."""


def source_hash(package: Path) -> str:
    """One hash over the names and contents of a package's modules."""
    digest = hashlib.sha256()
    for module in sorted(package.glob("*.py")):
        digest.update(module.name.encode() + b"\0" + hashlib.sha256(module.read_bytes()).digest())
    return digest.hexdigest()


def check_sources(package: Path) -> None:
    """Refuse a PySyncObj that nobody has checked the overrides against.

    Raises EngineMismatchError.
    """
    found = source_hash(package)
    if found not in KNOWN_SOURCES.values():
        known = ", ".join(KNOWN_SOURCES)
        raise EngineMismatchError(
            f"the PySyncObj in {package} (hash {found}) is not one of {known}: the Raft node leans on private names. "
            "Install pysyncobj==0.3.17, or check a new release by consensus/DESIGN.md"
        )


def repair_import() -> None:
    """Put back what PySyncObj's import replaced in the standard library (fault 15)."""
    socket.inet_ntop = _socket.inet_ntop
    unpickler: Any = vars(pickle)["_Unpickler"]
    dispatch: dict[int, Any] = unpickler.dispatch
    dispatch[pickle.SHORT_BINSTRING[0]] = unpickler.load_short_binstring
    dispatch[pickle.BINSTRING[0]] = unpickler.load_binstring


def _package() -> Path:
    spec = importlib.util.find_spec("pysyncobj")
    if spec is None or spec.origin is None:
        raise EngineMismatchError("PySyncObj is not installed: install pysyncobj==0.3.17")
    return Path(spec.origin).parent


check_sources(_package())

import pysyncobj.syncobj as _syncobj  # type: ignore[import-untyped]  # noqa: E402 - only after its sources were checked
from pysyncobj.config import FAIL_REASON, SyncObjConf  # type: ignore[import-untyped]  # noqa: E402
from pysyncobj.fast_queue import FastQueue  # type: ignore[import-untyped]  # noqa: E402
from pysyncobj.node import Node  # type: ignore[import-untyped]  # noqa: E402
from pysyncobj.transport import Transport  # type: ignore[import-untyped]  # noqa: E402

repair_import()

if TYPE_CHECKING:

    class SyncObj:
        """The face of PySyncObj's node that the subclass stands on, private names included."""

        conf: Any
        selfNode: Node  # noqa: N815

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
        def _applyCommand(self, *args: Any) -> None: ...  # noqa: N802
        def __getattr__(self, name: str) -> Any: ...
        def getStatus(self) -> dict[str, Any]: ...  # noqa: N802
        def destroy(self) -> None: ...
else:
    SyncObj = _syncobj.SyncObj

REGULAR: Final = bytes([_syncobj._COMMAND_TYPE.REGULAR])
NO_OP: Final = bytes([_syncobj._COMMAND_TYPE.NO_OP])
MEMBERSHIP: Final = bytes([_syncobj._COMMAND_TYPE.MEMBERSHIP])

FOLLOWER: Final[int] = _syncobj._RAFT_STATE.FOLLOWER
CANDIDATE: Final[int] = _syncobj._RAFT_STATE.CANDIDATE
LEADER: Final[int] = _syncobj._RAFT_STATE.LEADER

syncobj = _syncobj
"""PySyncObj's main module: the constructor's `createJournal` and `Serializer` are swapped in here."""

__all__ = [
    "CANDIDATE",
    "FAIL_REASON",
    "FOLLOWER",
    "LEADER",
    "MEMBERSHIP",
    "NO_OP",
    "REGULAR",
    "FastQueue",
    "Node",
    "SyncObj",
    "SyncObjConf",
    "Transport",
    "check_sources",
    "repair_import",
    "source_hash",
    "syncobj",
]
