"""The private attributes that PySyncObj's own tests look at, as views of what ours has in their place.

Only what has a counterpart is here: who the others are, the commit index, links and how to break one.
"""

from __future__ import annotations

from typing import Any

from coterie.consensus.pysyncobj import SyncObj


class _LinkView:
    """A link as the tests handle a connection."""

    def __init__(self, owner: SyncObj, name: str) -> None:
        super().__setattr__("_owner", owner)
        super().__setattr__("_name", name)

    def disconnect(self) -> None:
        group = self._owner._group
        group.ask(lambda: group.runtime.transport.drop(self._name))

    def __getattr__(self, name: str) -> Any:
        if name == "_TcpConnection__socket":
            return None
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Another socket under a connection: in the tests one that fails."""
        self.disconnect()


class _LinksView:
    def __init__(self, owner: SyncObj) -> None:
        self._owner = owner

    @property
    def _connections(self) -> dict[Any, _LinkView]:
        nodes = [*self._owner.otherNodes, *self._owner.readonlyNodes]
        return {node: _LinkView(self._owner, str(node.id)) for node in nodes if self._owner.isNodeConnected(node)}


class ViewedSyncObj(SyncObj):
    @property
    def _SyncObj__selfNode(self) -> Any:  # noqa: N802 - PySyncObj's name
        return self.selfNode

    @property
    def _SyncObj__otherNodes(self) -> Any:  # noqa: N802
        return self.otherNodes

    @property
    def _SyncObj__readonlyNodes(self) -> Any:  # noqa: N802
        return self.readonlyNodes

    @property
    def _SyncObj__raftCommitIndex(self) -> int:  # noqa: N802
        return self.raftCommitIndex

    @property
    def _SyncObj__raftLog(self) -> Any:  # noqa: N802
        return self._group.runtime and self._group.runtime.node.state.log.journal[:]

    @property
    def _SyncObj__conf(self) -> Any:  # noqa: N802
        return self.conf

    @property
    def _SyncObj__transport(self) -> _LinksView:  # noqa: N802
        return _LinksView(self)
