"""What the client believes of nodes, and shows of itself, over TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

from coterie.app.client.errors import ClientError
from coterie.app.client.transport.failures import words


def tls_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """Whom to believe, and what to show. Raises ClientError, which names the setting."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(f"ca_file {ca_file}: {words(error)}") from None
    if cert_file is None:
        if key_file is not None:
            raise ClientError("cert_file must be set where key_file is")
        return context
    try:
        context.load_cert_chain(cert_file, key_file)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(f"cert_file {cert_file}, key_file {key_file}: {words(error)}") from None
    return context
