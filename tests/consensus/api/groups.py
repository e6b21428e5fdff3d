"""Groups of members in this process, on loopback sockets and real directories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from coterie.consensus import Member, MemberConfig
from coterie.consensus.journal import JournalConfig, open_member_directory
from coterie.consensus.store import KNOWN_LEVEL
from tests.waiting import eventually

CONFIG = MemberConfig(secret=b"a test's secret")
SMALL = JournalConfig(segment_bytes=1024 * 1024)


class Group:
    """Founded by `size` members, by number; `members` holds those that run."""

    def __init__(self, directory: Path, size: int, config: MemberConfig = CONFIG) -> None:
        self.directory = directory
        self.config = config
        self.size = size
        self.members: dict[int, Member] = {}
        self.where: dict[str, tuple[str, int]] = {}
        self.ids: dict[int, str] = {}
        for number in range(size):
            self.new_directory(number)
        self.founders = tuple(self.ids.values())

    def new_directory(self, number: int) -> None:
        store = open_member_directory(self.directory / str(number), config=SMALL)
        store.identity.join_cluster("test")
        self.ids[number] = store.identity.member_id.hex
        store.close()

    async def start(self, number: int) -> Member:
        store = open_member_directory(self.directory / str(number), config=SMALL)
        founders = self.founders if number < self.size else ()
        member = Member(store, "test", founders, self.where.get, self.config)
        self.members[number] = member
        self.where[member.id] = await member.start("127.0.0.1", 0)
        for other in self.members.values():
            other.link(self.where)
        return member

    async def stop(self, number: int) -> None:
        await self.members.pop(number).stop()

    @property
    def leader(self) -> Member | None:
        return next((member for member in self.members.values() if member.leading), None)

    async def led(self) -> Member:
        """The leader, once there is one: on a busy machine another may be being elected."""
        await eventually(lambda: self.leader)
        leader = self.leader
        assert leader is not None
        return leader

    def followers(self) -> list[Member]:
        """All members, while another leader is being elected."""
        return [member for member in self.members.values() if not member.leading]


@asynccontextmanager
async def running(directory: Path, size: int = 3, config: MemberConfig = CONFIG) -> AsyncIterator[Group]:
    """A group of which all members run, and whose leader is ready."""
    group = Group(directory, size, config)
    try:
        for number in range(size):
            await group.start(number)
        await group.members[0].metadata.barrier(timeout=30)
        await eventually(lambda: all(it.state.feature_level == KNOWN_LEVEL for it in group.members.values()))
        yield group
    finally:
        for number in list(group.members):
            await group.stop(number)
