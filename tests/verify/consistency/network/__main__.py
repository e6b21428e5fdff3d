"""Says on standard output why this machine cannot have the network of a run; nothing where it can."""

from __future__ import annotations

from tests.verify.consistency.network.namespaces import NamespaceError, enter, node_network

if __name__ == "__main__":
    try:
        enter()
        node_network(1)
    except NamespaceError as error:
        print(error)
