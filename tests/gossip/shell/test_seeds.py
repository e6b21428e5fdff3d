"""Seeds by address and by host name (gossip spec 7)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Iterable

import pytest

from coterie.gossip import Address, ConfigError, Seed
from coterie.gossip.shell.seeds import SeedList, lookup_of_family

OWN = Address("127.0.0.1", 1)


class FakeResolver:
    """Names and their addresses; those it does not know fail."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Iterable[str]:
        self.asked.append((host, port))
        await asyncio.sleep(0)
        if host not in self.names:
            raise OSError(f"{host} not known")
        return self.names[host]


def book(resolver: FakeResolver, *seeds: str) -> SeedList:
    return SeedList(seeds, OWN, resolver)


@pytest.mark.parametrize("text", ["10.0.0.1:7280", "[::1]:7280"])
def test_an_address_is_a_seed_at_once(text: str) -> None:
    seed = Seed(text)
    assert (seed.addresses, seed.is_name, seed.port) == ((Address.parse(text),), False, 7280)


@pytest.mark.parametrize(
    "text", ["localhost:7280", "a.b-c.example.com:7280", "node_1:7280", "n:1", "example.com.:7280"]
)
def test_a_name_is_a_seed_without_addresses_yet(text: str) -> None:
    seed = Seed(text)
    assert (seed.addresses, seed.is_name) == ((), True)
    assert f"{seed.host}:{seed.port}" == text


@pytest.mark.parametrize(
    "text",
    [
        "", "localhost", "localhost:", ":7280", "localhost:0", "10.0.0.1:0", "[::1]:0", "localhost:65536",
        "localhost:-1", "10.0.0:7280", "10.0.0.256:7280", "::1:7280", "[::1]", "-a:7280", "a b:7280", "http://a:7280",
        "a:7280/", "localhost:７280", "localhost:7280\n",
    ],
)  # fmt: skip
def test_what_is_no_seed_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match="seed") as raised:
        Seed(text)
    assert raised.value.field == "seed"


def test_all_addresses_of_a_name_count_and_none_twice() -> None:
    resolver = FakeResolver(a=["10.0.0.2", "10.0.0.1", "10.0.0.2"], b=["10.0.0.1"])
    seeds = book(resolver, "a:5", "10.0.0.9:5", "b:5", "b:6", "a:5")
    assert seeds.has_names
    assert seeds.addresses() == (Address("10.0.0.9", 5),)
    assert asyncio.run(seeds.refresh()) == {}
    assert sorted(seeds.addresses()) == [
        Address("10.0.0.1", 5), Address("10.0.0.1", 6), Address("10.0.0.2", 5), Address("10.0.0.9", 5)
    ]  # fmt: skip
    assert sorted(resolver.asked) == [("a", 5), ("b", 5), ("b", 6)]


def test_the_own_address_is_no_seed() -> None:
    seeds = book(FakeResolver(a=["127.0.0.1"]), "127.0.0.1:1", "a:1", "a:2")
    asyncio.run(seeds.refresh())
    assert seeds.addresses() == (Address("127.0.0.1", 2),)


def test_a_failed_look_up_keeps_the_last_addresses_and_is_retried() -> None:
    resolver = FakeResolver(a=["10.0.0.1"], b=["10.0.0.2"])
    seeds = book(resolver, "a:5", "b:5")
    asyncio.run(seeds.refresh())
    del resolver.names["a"]
    resolver.names["b"] = ["10.0.0.3"]
    failed = asyncio.run(seeds.refresh())
    assert list(failed) == ["a:5"]
    assert isinstance(failed["a:5"], OSError)
    assert seeds.addresses() == (Address("10.0.0.1", 5), Address("10.0.0.3", 5))
    resolver.names["a"] = ["10.0.0.4"]
    assert asyncio.run(seeds.refresh()) == {}
    assert seeds.addresses() == (Address("10.0.0.4", 5), Address("10.0.0.3", 5))


def test_without_names_nothing_is_looked_up() -> None:
    resolver = FakeResolver()
    seeds = book(resolver, "10.0.0.1:5")
    assert not seeds.has_names
    assert asyncio.run(seeds.refresh()) == {}
    assert resolver.asked == []


def test_a_fault_that_is_no_failed_look_up_is_not_hidden() -> None:
    async def broken(_host: str, _port: int) -> Iterable[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(SeedList(["a:5"], OWN, broken).refresh())


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_only_addresses_of_the_sockets_family_are_found(family: socket.AddressFamily, host: str) -> None:
    """`localhost` may give both; a literal stands for it here, so that no resolver is asked."""
    other = {"127.0.0.1": "::1", "::1": "127.0.0.1"}[host]
    lookup = lookup_of_family(family)
    assert set(asyncio.run(_found(lookup(host, 5)))) == {host}
    with pytest.raises(OSError):  # noqa: PT011 - what the system says differs
        asyncio.run(_found(lookup(other, 5)))


def test_a_name_that_cannot_be_encoded_is_a_failed_look_up() -> None:
    with pytest.raises(OSError, match=r"label|long|empty"):
        asyncio.run(_found(lookup_of_family(socket.AF_INET)("a" * 64 + ".example", 5)))


async def _found(answer: Awaitable[Iterable[str]]) -> list[str]:
    return list(await answer)
