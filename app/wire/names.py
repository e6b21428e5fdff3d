"""Environment variables: the prefixes of nodes; of clients and of what commands tell the programs that they run, which
nodes pass over; and what is neither."""

from __future__ import annotations

import re

ENV_PREFIX = "COTERIE_"

CLIENT_ENV_PREFIX = ENV_PREFIX + "CLIENT_"

LOCK_ENV_PREFIX = ENV_PREFIX + "LOCK_"
ELECTION_ENV_PREFIX = ENV_PREFIX + "ELECTION_"
WATCH_ENV_PREFIX = ENV_PREFIX + "WATCH_"

NOT_OF_NODES = (CLIENT_ENV_PREFIX, LOCK_ENV_PREFIX, ELECTION_ENV_PREFIX, WATCH_ENV_PREFIX)

# What Kubernetes puts into every container beside a service whose name is, or starts with, "coterie".
_KUBERNETES = re.compile(
    r"COTERIE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_LINK = re.compile(r"COTERIE_(\w+_)?PORT=(tcp|udp|sctp)://.*")


def is_of_kubernetes(name: str, value: str) -> bool:
    """Whether it was put there by Kubernetes, and is no setting."""
    return bool(_KUBERNETES.fullmatch(name) or _KUBERNETES_LINK.fullmatch(f"{name}={value}"))
