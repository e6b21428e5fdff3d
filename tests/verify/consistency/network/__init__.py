"""A network of the run's own: every node in a network namespace, every link between two of them made of packets that
pass through a switch in user space, which can do to any of them what networks do.
"""

from tests.verify.consistency.network.links import Link
from tests.verify.consistency.network.namespaces import NamespaceError, NodeNetwork, enter, node_network, why_not
from tests.verify.consistency.network.wiring import Wiring

__all__ = ["Link", "NamespaceError", "NodeNetwork", "Wiring", "enter", "node_network", "why_not"]
