"""The Python client over HTTP: the calls of `consensus`, and all else that nodes serve, for programs without a node.

`Client` is where to begin. Operations and results are those of `consensus.store`, errors those of `consensus.errors`.
"""

from app.client.answers import (
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
from app.client.client import Client
from app.client.errors import AccessError, ClientError
from app.client.events import Message
from app.client.limits import ClientLimits
from app.client.metadata import HttpMetadata
from app.client.raft import Saved
from app.client.texts import NOT_OVER_HTTP

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
