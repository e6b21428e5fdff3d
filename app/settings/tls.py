"""Settings of TLS, for HTTP and for the links of Raft: the TOML table `[tls]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from coterie.app.settings.types import Table

File = Annotated[Path, AfterValidator(Path.expanduser)]


class TlsSettings(Table):
    """TLS for HTTP and for the links of Raft: on all nodes of a cluster or on none. The files are read again on
    SIGHUP, for new connections."""

    certificate: File | None = None
    """PEM file with this node's certificate, and those between it and the authority. Unset: no TLS."""
    key: File | None = None
    """PEM file with the certificate's private key, not encrypted."""
    ca: File | None = None
    """PEM file with the authorities whose certificates other nodes and clients show. Unset: other nodes are checked by
    the system's authorities. An authority that is taken out of the file is trusted until the next reload."""
    client_certificates: Literal["none", "optional", "required"] = "none"
    """Whether HTTP clients are asked for a certificate of `ca`. Nodes show theirs to each other in any case."""
    node_name: str | None = None
    """A name that the certificates of all nodes bear, such as "node.coterie.internal": it is what this node checks when
    it connects to another. Unset: they must bear the IP address that is connected to."""
    raft: bool = True
    """Whether the links of Raft are TLS, too, with certificates on both sides; needs `ca`."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that is spoken."""
