"""What the links of a run do to packets, and the switch on real TUN devices."""

from __future__ import annotations

import struct
import subprocess
import sys
from random import Random

import pytest

from tests.verify.consistency.network import Link, why_not
from tests.verify.consistency.network.links import MAX_QUEUED_BYTES, WORKS, Direction
from tests.verify.consistency.network.packets import checksum, is_ipv4, protocol_of, resets
from tests.verify.consistency.network.wiring import between, overlay


def arrivals(link: Link, count: int = 2_000, protocol: str = "udp", gap: float = 0.001) -> list[tuple[float, ...]]:
    direction = Direction(link, Random(1))
    return [direction.arrivals(1_000, protocol, number * gap) for number in range(count)]


def test_a_link_that_works_delivers_everything_at_once_and_in_order() -> None:
    assert arrivals(WORKS) == [(number * 0.001,) for number in range(2_000)]


def test_a_cut_link_delivers_nothing() -> None:
    assert set(arrivals(Link(cut=True))) == {()}


def test_a_fault_of_one_protocol_leaves_the_other_alone() -> None:
    link = Link(cut=True, only="tcp")
    assert set(arrivals(link, protocol="tcp")) == {()}
    assert arrivals(link, protocol="udp") == arrivals(WORKS)


def test_loss_and_duplicates_are_as_frequent_as_told() -> None:
    counts = [len(each) for each in arrivals(Link(loss=0.3, duplicate=0.5))]
    assert 0.25 < counts.count(0) / len(counts) < 0.35
    assert 0.45 < counts.count(2) / (counts.count(1) + counts.count(2)) < 0.55


def test_jitter_keeps_the_order_and_reordering_does_not() -> None:
    steady = [due for (due,) in arrivals(Link(delay=0.05, jitter=0.05))]
    assert steady == sorted(steady)
    assert all(0.05 <= due - number * 0.001 <= 0.1001 for number, due in enumerate(steady))
    mixed = [due for (due,) in arrivals(Link(reorder=0.3))]
    assert mixed != sorted(mixed)


def test_a_slow_link_takes_its_time_and_drops_what_it_cannot_queue() -> None:
    slow = arrivals(Link(rate=100_000.0), gap=0.0)
    delivered = [each[0] for each in slow if each]
    assert delivered == pytest.approx([0.01 * (number + 1) for number in range(len(delivered))])
    assert len(delivered) == MAX_QUEUED_BYTES // 1_000 + 1


def test_two_faults_on_one_link_are_the_worse_of_each() -> None:
    both = overlay(Link(loss=0.1, rate=9.0), Link(loss=0.3, delay=1.0, rate=5.0))
    assert both == Link(loss=0.3, delay=1.0, rate=5.0)
    assert overlay(WORKS, Link(cut=True, only="tcp")) == Link(cut=True, only="tcp")
    assert overlay(Link(delay=1.0, only="udp"), Link(cut=True)).only == ""


def test_links_between_sides_lead_both_ways_or_one_way() -> None:
    assert set(between([1], [1, 2, 3], Link(cut=True))) == {(1, 2), (1, 3), (2, 1), (3, 1)}
    assert set(between([1], [2, 3], Link(cut=True), back=False)) == {(1, 2), (1, 3)}


def tcp_packet(flags: int, payload: bytes = b"") -> bytes:
    tcp = struct.pack("!HHIIBBHHH", 1_000, 2_000, 7_000, 9_000, 5 << 4, flags, 100, 0, 0) + payload
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, bytes([10, 77, 0, 1]), bytes([10, 77, 0, 2])
    )
    return head + tcp


def test_a_reset_fits_the_connection_in_both_directions() -> None:
    found = resets(tcp_packet(flags=0x10, payload=b"abc"))
    assert found is not None
    forward, backward = found
    for packet, ports, addresses, sequence in (
        (forward, (1_000, 2_000), (1, 2), 7_000),
        (backward, (2_000, 1_000), (2, 1), 9_000),
    ):
        assert is_ipv4(packet)
        assert protocol_of(packet) == "tcp"
        assert (packet[15], packet[19]) == addresses
        assert struct.unpack_from("!HHI", packet, 20) == (*ports, sequence)
        assert packet[33] & 4
        assert checksum(packet[:20]) == 0
        assert checksum(packet[12:20] + struct.pack("!BBH", 0, 6, 20) + packet[20:]) == 0
    assert resets(tcp_packet(flags=4)) is None  # or two of them would answer each other for ever


def test_a_refused_connection_is_acknowledged() -> None:
    found = resets(tcp_packet(flags=2))
    assert found is not None
    assert struct.unpack_from("!I", found[1], 28) == (7_001,)


REASON = why_not()


@pytest.mark.cluster
@pytest.mark.skipif(bool(REASON), reason=f"no network namespaces here: {REASON}")
def test_packets_between_namespaces_obey_the_links() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.verify.consistency.network.trial"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["works", "cut", "one-way", "tcp-cut", "reset", "healed"]
