"""IPv4 packets as far as a switch must know them: where they go, what they carry, how to reset a connection."""

from __future__ import annotations

import struct

TCP = 6
UDP = 17

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16


def is_ipv4(packet: bytes) -> bool:
    return len(packet) >= 20 and packet[0] >> 4 == 4


def protocol_of(packet: bytes) -> str:
    """tcp, udp or other; also of fragments, which name it too."""
    return "tcp" if packet[9] == TCP else "udp" if packet[9] == UDP else "other"


def resets(packet: bytes) -> tuple[bytes, bytes] | None:
    """For a packet of a TCP connection, what ends that connection: (to its receiver, to its sender).

    None for a packet that has no TCP header, or is a reset itself.
    """
    head = (packet[0] & 15) * 4
    fragment = struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
    if packet[9] != TCP or fragment or len(packet) < head + 20:
        return None
    source, target = packet[12:16], packet[16:20]
    from_port, to_port, sequence, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", packet, head)
    if flags & _RST:
        return None
    payload = len(packet) - head - (offset >> 4) * 4
    taken = (sequence + payload + bool(flags & _SYN) + bool(flags & _FIN)) & 0xFFFFFFFF
    forward = _reset(source, target, from_port, to_port, sequence, taken, _RST)
    # The answer to a packet without an acknowledgement acknowledges it; that is how the sender knows it is meant.
    back_sequence = acknowledged if flags & _ACK else 0
    backward = _reset(target, source, to_port, from_port, back_sequence, taken, _RST | _ACK)
    return forward, backward


def _reset(
    source: bytes, target: bytes, from_port: int, to_port: int, sequence: int, acknowledged: int, flags: int
) -> bytes:
    acknowledged = acknowledged if flags & _ACK else 0
    tcp = struct.pack("!HHIIBBHHH", from_port, to_port, sequence, acknowledged, 5 << 4, flags, 0, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, TCP, 0, source, target)
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


def checksum(data: bytes) -> int:
    """The Internet's: one's complement of the one's complement sum of 16-bit words."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
