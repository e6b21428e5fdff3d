"""What a failure of a connection says: whether the request may have happened, and whether a setting is to blame.

Bytes that never left did nothing. Of TLS only what another try would meet again is a matter of settings: a connection
that ends early, in the handshake too, is a node that went away.
"""

from __future__ import annotations

import os
import socket
import ssl

import httpx

from coterie.app.client.errors import ClientError
from coterie.app.client.transport.retry import Failure
from coterie.consensus.api.errors import MetadataError, UnavailableError, UnknownOutcomeError

_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_ENDED_EARLY = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)

HINT = "if it is always so, the node may want https://, or a certificate of the client (cert_file)"


def transport_failure(error: Exception, address: str, *, begun: bool) -> Failure:
    """`begun`: bytes of the request may have left."""
    if isinstance(error, _NOTHING_SENT):
        begun = False
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Failure(ClientError(f"address: {address} cannot be used: {error}"))
    if not begun and (blamed := _blamed(error, address)) is not None:
        return Failure(blamed)
    if isinstance(error, httpx.PoolTimeout):
        return Failure(
            UnavailableError(
                "busy", "all connections of this client are in use; raise max_connections, max_streams of its limits"
            )
        )
    if not begun:
        return Failure(UnavailableError("unreachable", f"{address} cannot be reached: {words(error)}"))
    hint = f"; {HINT}" if isinstance(error, httpx.RemoteProtocolError) else ""
    return Failure(UnknownOutcomeError(f"{address} did not answer: {words(error)}{hint}"))


def reading_failure(error: Exception, address: str, *, begun: bool) -> MetadataError:
    """Of a stream, which changes nothing: nothing was lost that a new one would not bring."""
    failure = transport_failure(error, address, begun=begun).error
    return UnavailableError("unreachable", str(failure)) if isinstance(failure, UnknownOutcomeError) else failure


def _blamed(error: Exception, address: str) -> ClientError | None:
    """The setting that TLS fails for; None where it does not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ClientError(f"{address}: its certificate is refused ({cause.verify_message}); set ca_file")
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, _ENDED_EARLY):
            return ClientError(f"{address}: no TLS ({words(cause)}); check https://, ca_file, cert_file")
        cause = cause.__cause__ or cause.__context__
    return None


def words(error: BaseException) -> str:
    """What the system says of it, which stands behind what the libraries do; or what these say, or a name."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError | socket.gaierror) and cause.strerror:  # numbers of their own
            return cause.strerror
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
