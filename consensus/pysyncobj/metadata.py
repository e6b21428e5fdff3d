"""A node's metadata as a consumer of a program: transactions, leases, locks with fencing tokens, watches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from coterie.consensus.api.metadata import Metadata
from coterie.consensus.member.metadata.consumer import MetadataConsumer
from coterie.consensus.pysyncobj.engine import syncobj
from coterie.consensus.pysyncobj.group import Group
from coterie.consensus.raft.errors import StoppedError
from coterie.consensus.store import Limits

T = TypeVar("T")


class ReplMetadata:
    """Among the `consumers` of a `SyncObj`, at most once, and at all members or none.

    `metadata.run(lambda m: m.put(b"jobs/7", b"ready"))`
    """

    def __init__(self, limits: Limits | None = None) -> None:
        """`limits`: of a new group, where this member leads it first."""
        self.consumer = MetadataConsumer(limits)
        self._group: Group | None = None

    def join(self, group: Group) -> None:
        self._group = group

    def run(self, call: Callable[[Metadata], Awaitable[T]]) -> T:
        """The result of `call(metadata)`, which runs in the group's event loop; from any other thread.

        Raises what it raises, `MetadataError` mostly; SyncObjException before the object is made, and once it ends.
        """
        if self._group is None or self._group.runtime is None:
            raise syncobj.SyncObjException("NotStarted", "a call before the object is made, or its first doTick")

        async def called() -> T:
            return await call(self.consumer.metadata)

        try:
            return self._group.run(called())
        except StoppedError as error:
            raise syncobj.SyncObjException("Stopped", str(error)) from None
