"""All kinds of faults by name: those of links, of processes and disks, and of who belongs to the cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from tests.verify.consistency.nemesis import link_faults, member_faults, node_faults

if TYPE_CHECKING:
    from tests.verify.consistency.nemesis.nemesis import Act

Fault = Callable[["Act"], Awaitable[None]]

KINDS: Mapping[str, Fault] = {
    # links
    "partition": link_faults.partition,
    "isolate": link_faults.isolate,
    "one_way": link_faults.one_way,
    "bridge": link_faults.bridge,
    "loss": link_faults.loss,
    "delay": link_faults.delay,
    "duplicate": link_faults.duplicate,
    "reorder": link_faults.reorder,
    "slow_tcp": link_faults.slow_tcp,
    "cut_udp": link_faults.cut_udp,
    "cut_tcp": link_faults.cut_tcp,
    # processes, disks, clocks
    "kill": node_faults.kill,
    "kill_all": node_faults.kill_all,
    "stop": node_faults.stop,
    "pause": node_faults.pause,
    "disk_full": node_faults.disk_full,
    "slow_sync": node_faults.slow_sync,
    "hung_sync": node_faults.hung_sync,
    "clock": node_faults.clock,
    "kill_in_snapshot": node_faults.kill_in_snapshot,
    # members
    "transfer": member_faults.transfer,
    "add_node": member_faults.add_node,
    "replace_node": member_faults.replace_node,
    "remove_node": member_faults.remove_node,
    "leave": member_faults.leave,
    "wipe": member_faults.wipe,
}
"""Each begins, lasts for as long as its step says, and ends, with everything put back but what it is about."""
