"""Network namespaces without being root: one for the run, and one for each node in it.

A node has two interfaces: a TUN device to the other nodes, whose other end is a file descriptor here, and a veth pair
to the run, for clients and the driver, which no fault touches. All of it vanishes with the processes that hold it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000

PREFIX = "10.77.0."
"""Of the nodes' addresses among each other; the last byte is the node's number."""

CLIENT_PREFIX = "10.78."
"""Of the addresses at which clients reach them: 10.78.NUMBER.2, from 10.78.NUMBER.1."""

MTU = 1500


class NamespaceError(Exception):
    """The machine does not allow it; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """The network of one node."""

    number: int
    namespace: int
    """File descriptor that holds the namespace."""
    tun: int
    """File descriptor of the packets that it sends and gets; not blocking."""

    @property
    def address(self) -> str:
        return f"{PREFIX}{self.number}"

    @property
    def client_address(self) -> str:
        return f"{CLIENT_PREFIX}{self.number}.2"


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise NamespaceError(f"cannot {doing}: {os.strerror(number)}")


def enter() -> None:
    """Move this process, which must have one thread only, into namespaces of its own, where it may make others.

    Raises NamespaceError.
    """
    if not sys.platform.startswith("linux"):
        raise NamespaceError("network namespaces are to be had on Linux only")
    user, group = os.getuid(), os.getgid()
    libc = _libc()
    _check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS), "make namespaces")
    try:
        with open("/proc/self/setgroups", "w") as file:
            file.write("deny")
        with open("/proc/self/uid_map", "w") as file:
            file.write(f"0 {user} 1")
        with open("/proc/self/gid_map", "w") as file:
            file.write(f"0 {group} 1")
    except OSError as error:
        raise NamespaceError(f"cannot map this user into its namespace: {error.strerror}") from None
    _check(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "make mounts private")
    _ip("link set lo up")


def set_namespace(descriptor: int) -> None:
    """Move the calling thread into a network namespace. Raises NamespaceError."""
    _check(_libc().setns(descriptor, _CLONE_NEWNET), "enter the node's network namespace")


def mount_tmpfs(directory: str, size: int) -> None:
    """A file system of `size` bytes, for a disk that can be full. Raises NamespaceError."""
    options = f"size={size},mode=700".encode()
    _check(_libc().mount(b"tmpfs", directory.encode(), b"tmpfs", 0, options), f"mount a file system at {directory}")


def node_network(number: int) -> NodeNetwork:
    """Make the network of node `number` (1 to 250). Inside the run's own namespaces only. Raises NamespaceError."""
    made: list[NodeNetwork] = []
    failed: list[Exception] = []

    def make() -> None:
        try:
            _check(_libc().unshare(_CLONE_NEWNET), "make a network namespace")
            namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            tun = _open_tun()
            _ip(
                "link set lo up",
                f"link set tun0 mtu {MTU} up",
                f"address add {PREFIX}{number}/24 dev tun0",
            )
            made.append(NodeNetwork(number, namespace, tun))
        except (NamespaceError, OSError) as error:
            failed.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if failed:
        raise NamespaceError(str(failed[0])) from None
    (network,) = made
    inside = f"/proc/{os.getpid()}/fd/{network.namespace}"
    _ip(
        f"link add node{number} type veth peer name clients netns {inside}",
        f"address add {CLIENT_PREFIX}{number}.1/24 dev node{number}",
        f"link set node{number} up",
    )
    _ip(f"address add {network.client_address}/24 dev clients", "link set clients up", inside=network.namespace)
    return network


def _open_tun() -> int:
    try:
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        raise NamespaceError(f"cannot make a TUN device with /dev/net/tun: {error.strerror}") from None
    return tun


def _ip(*commands: str, inside: int | None = None) -> None:
    """Run commands of `ip`, in the calling thread's network namespace or that of the descriptor `inside`."""
    command = ["ip", "-batch", "-"]
    if inside is not None:
        command = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{inside}", *command]
    try:
        done = subprocess.run(command, input="\n".join(commands) + "\n", capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NamespaceError(f"the command {error.filename} is missing (packages iproute2 and util-linux)") from None
    if done.returncode != 0:
        raise NamespaceError(f"ip: {done.stderr.strip()}")


def why_not() -> str:
    """What is missing on this machine, tried out in a process of its own; empty where nothing is."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.verify.consistency.network"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip() or "it ended"
