"""Environment variables: the prefixes of nodes and of clients, which nodes pass over, and what is neither."""

from __future__ import annotations

import re

ENV_PREFIX = "COTERIE_"

CLIENT_ENV_PREFIX = ENV_PREFIX + "CLIENT_"

# What Kubernetes puts into every container beside a service whose name is, or starts with, "coterie".
_KUBERNETES = re.compile(
    r"COTERIE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_LINK = re.compile(r"COTERIE_(\w+_)?PORT=(tcp|udp|sctp)://.*")


def is_of_kubernetes(name: str, value: str) -> bool:
    """Whether it was put there by Kubernetes, and is no setting."""
    return bool(_KUBERNETES.fullmatch(name) or _KUBERNETES_LINK.fullmatch(f"{name}={value}"))
