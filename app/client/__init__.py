"""The Python client over HTTP: the calls of `consensus`, and all else that nodes serve, for programs without a node.

`Client` is where to begin. Operations and results are those of `coterie.consensus.store`, errors those of
`coterie.consensus.api.errors`.
"""

from coterie.app.client.api.events import Message
from coterie.app.client.api.metadata import HttpMetadata
from coterie.app.client.api.raft import Saved
from coterie.app.client.client import Client
from coterie.app.client.encoding import NOT_OVER_HTTP
from coterie.app.client.errors import AccessError, ClientError
from coterie.app.client.limits import ClientLimits
from coterie.app.wire.cluster import (
    Cluster,
    ClusterMember,
    Decision,
    Departed,
    Forgotten,
    Members,
    Node,
    RaftMember,
    RaftStatus,
)
from coterie.app.wire.keys import GossipDelete, GossipPage, GossipPut, GossipValue
from coterie.app.wire.tokens import NewToken, OwnToken, Rule, Token

__all__ = [
    "NOT_OVER_HTTP",
    "AccessError",
    "Client",
    "ClientError",
    "ClientLimits",
    "Cluster",
    "ClusterMember",
    "Decision",
    "Departed",
    "Forgotten",
    "GossipDelete",
    "GossipPage",
    "GossipPut",
    "GossipValue",
    "HttpMetadata",
    "Members",
    "Message",
    "NewToken",
    "Node",
    "OwnToken",
    "RaftMember",
    "RaftStatus",
    "Rule",
    "Saved",
    "Token",
]
