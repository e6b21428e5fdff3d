"""The Python client over HTTP: the calls of `consensus`, and all else that nodes serve, for programs without a node.

`Client` is where to begin. Operations and results are those of `coterie.consensus.store`, errors those of
`coterie.consensus.errors`.
"""

from coterie.app.client.answers import (
    Cluster,
    Decision,
    Departed,
    Forgotten,
    GossipDelete,
    GossipPage,
    GossipPut,
    GossipValue,
    Member,
    Members,
    NewToken,
    Node,
    OwnToken,
    RaftMember,
    RaftStatus,
    Rule,
    Token,
)
from coterie.app.client.client import Client
from coterie.app.client.errors import AccessError, ClientError
from coterie.app.client.events import Message
from coterie.app.client.limits import ClientLimits
from coterie.app.client.metadata import HttpMetadata
from coterie.app.client.raft import Saved
from coterie.app.client.texts import NOT_OVER_HTTP

__all__ = [
    "NOT_OVER_HTTP",
    "AccessError",
    "Client",
    "ClientError",
    "ClientLimits",
    "Cluster",
    "Decision",
    "Departed",
    "Forgotten",
    "GossipDelete",
    "GossipPage",
    "GossipPut",
    "GossipValue",
    "HttpMetadata",
    "Member",
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
