"""Faults of links: who cannot hear whom, and what comes late, twice, out of order or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.verify.consistency.network import Link
from tests.verify.consistency.network.wiring import between

if TYPE_CHECKING:
    from tests.verify.consistency.nemesis.nemesis import Act
    from tests.verify.consistency.nodes.node import Node

CUT = Link(cut=True)


def _numbers(nodes: list[Node]) -> list[int]:
    return [node.number for node in nodes]


async def _sides(act: Act) -> tuple[list[Node], list[Node]]:
    """A minority with the victim, and the rest."""
    victim = await act.victim()
    others = act.others([victim])
    act.rng.shuffle(others)
    more = (len(others) - 1) // 2
    return [victim, *others[:more]], others[more:]


async def partition(act: Act) -> None:
    """Two sides that hear nothing of each other; the victim is with the fewer."""
    few, many = await _sides(act)
    await act.on_links(few, between(_numbers(few), _numbers(many), CUT), sides=[[n.name for n in few], len(many)])


async def isolate(act: Act) -> None:
    """One node alone."""
    victim = await act.victim()
    await act.on_links([victim], between([victim.number], _numbers(act.others([victim])), CUT))


async def one_way(act: Act) -> None:
    """One node hears the others and is not heard, or the other way round."""
    victim = await act.victim()
    others = _numbers(act.others([victim]))
    deaf = act.rng.random() < 0.5
    links = (
        between(others, [victim.number], CUT, back=False) if deaf else between([victim.number], others, CUT, back=False)
    )
    await act.on_links([victim], links, deaf=deaf)


async def bridge(act: Act) -> None:
    """Two sides that are joined by one node only."""
    few, many = await _sides(act)
    joint, rest = many[0], many[1:]
    await act.on_links(few, between(_numbers(few), _numbers(rest), CUT), joint=joint.name)


async def _all_of_some(act: Act, link: Link) -> None:
    """Every link, or every link of the victim, both ways."""
    victim = await act.victim()
    everybody = list(act.cluster.nodes.values())
    of = everybody if act.rng.random() < 0.5 else [victim]
    links = between(_numbers(of), _numbers(everybody), link)
    await act.on_links(of, links, **link.to_json())


async def loss(act: Act) -> None:
    await _all_of_some(act, Link(loss=act.rng.choice((0.02, 0.1, 0.3)), only=act.rng.choice(("", "", "udp"))))


async def delay(act: Act) -> None:
    """Some are longer than a heartbeat, none than an election timeout."""
    await _all_of_some(act, Link(delay=act.rng.choice((0.005, 0.04, 0.12)), jitter=act.rng.choice((0.0, 0.05))))


async def duplicate(act: Act) -> None:
    await _all_of_some(act, Link(duplicate=act.rng.choice((0.1, 0.5))))


async def reorder(act: Act) -> None:
    await _all_of_some(act, Link(reorder=act.rng.choice((0.05, 0.3)), delay=0.002))


async def slow_tcp(act: Act) -> None:
    """Connections of 15 to 60 kB/s; gossip's datagrams pass."""
    await _all_of_some(act, Link(rate=act.rng.choice((15_000.0, 60_000.0)), only="tcp"))


async def cut_udp(act: Act) -> None:
    """No datagram of gossip arrives; connections live."""
    victim = await act.victim()
    link = Link(cut=True, only="udp")
    await act.on_links([victim], between([victim.number], _numbers(act.others([victim])), link), **link.to_json())


async def cut_tcp(act: Act) -> None:
    """No connection lives: they are reset, or nothing of theirs arrives; gossip's datagrams pass."""
    victim = await act.victim()
    link = Link(reset=True) if act.rng.random() < 0.5 else Link(cut=True, only="tcp")
    await act.on_links([victim], between([victim.number], _numbers(act.others([victim])), link), **link.to_json())
