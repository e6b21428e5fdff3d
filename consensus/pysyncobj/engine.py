"""The one place that imports PySyncObj: checks that it is the known release, and undoes what its import breaks.

What is said of PySyncObj holds for sources whose hash is known here, and for no others (raft spec 2).
Importing PySyncObj replaces `socket.inet_ntop` by a Windows stub and patches pickle's dispatch table (fault 15).
"""

from __future__ import annotations

import _socket
import hashlib
import importlib.util
import pickle  # only to put its dispatch table back as it was; nothing is ever loaded
import socket
from pathlib import Path
from typing import Any, Final

KNOWN_SOURCES: Final = {
    "0.3.17": "45ba8b60ce682f65a65c8ab0c8c724028a28872c6470f0368c6dd4e015de7e15",
}
"""SHA-256 over every module of the package, by release. A release joins once the tests of the faults have run on it."""


class EngineMismatchError(ImportError):
    """The installed PySyncObj is not the release whose faults are known here."""


def source_hash(package: Path) -> str:
    """One hash over the names and contents of a package's modules."""
    digest = hashlib.sha256()
    for module in sorted(package.glob("*.py")):
        digest.update(module.name.encode() + b"\0" + hashlib.sha256(module.read_bytes()).digest())
    return digest.hexdigest()


def check_sources(package: Path) -> None:
    """Refuse a PySyncObj whose faults are not known.

    Raises EngineMismatchError.
    """
    found = source_hash(package)
    if found not in KNOWN_SOURCES.values():
        known = ", ".join(KNOWN_SOURCES)
        raise EngineMismatchError(
            f"the PySyncObj in {package} (hash {found}) is not one of {known}, whose faults are known. "
            "Install pysyncobj==0.3.17"
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

import pysyncobj.syncobj as syncobj  # type: ignore[import-untyped]  # noqa: E402, PLR0402 - after its sources were checked
from pysyncobj.config import FAIL_REASON, SyncObjConf  # type: ignore[import-untyped]  # noqa: E402
from pysyncobj.node import Node, TCPNode  # type: ignore[import-untyped]  # noqa: E402
from pysyncobj.transport import Transport  # type: ignore[import-untyped]  # noqa: E402

repair_import()

__all__ = [
    "FAIL_REASON",
    "EngineMismatchError",
    "Node",
    "SyncObjConf",
    "TCPNode",
    "Transport",
    "check_sources",
    "repair_import",
    "source_hash",
    "syncobj",
]
