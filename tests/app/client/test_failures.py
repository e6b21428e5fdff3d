"""What failures of connections come to: as a table."""

from __future__ import annotations

import errno
import ssl

import httpx
import pytest

from coterie.app.client import ClientError
from coterie.app.client.transport.failures import reading_failure, transport_failure
from coterie.consensus import UnavailableError, UnknownOutcomeError


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


BAD_CERTIFICATE = ssl.SSLCertVerificationError("self-signed")
BAD_CERTIFICATE.verify_message = "self-signed"
NO_TLS = ssl.SSLError(1, "wrong version number")
WENT_AWAY = ssl.SSLEOFError(8, "unexpected eof")


@pytest.mark.parametrize(
    ("error", "begun", "kind"),
    [
        (httpx.ConnectError("refused"), True, UnavailableError),
        (httpx.ConnectTimeout(""), True, UnavailableError),
        (httpx.PoolTimeout(""), True, UnavailableError),
        (httpx.ReadError("reset"), True, UnknownOutcomeError),
        (httpx.ReadError("reset"), False, UnavailableError),
        (httpx.WriteError("reset"), True, UnknownOutcomeError),
        (httpx.RemoteProtocolError("ended"), True, UnknownOutcomeError),
        (caused(httpx.ConnectError("tls"), BAD_CERTIFICATE), True, ClientError),
        (caused(httpx.ConnectError("tls"), NO_TLS), True, ClientError),
        (caused(httpx.ConnectError("tls"), WENT_AWAY), True, UnavailableError),
        # Behind the handshake it is the connection that broke, whatever TLS calls it, and the write may have happened.
        (caused(httpx.ReadError("tls"), NO_TLS), True, UnknownOutcomeError),
        (caused(httpx.ReadError("tls"), WENT_AWAY), True, UnknownOutcomeError),
        (NO_TLS, True, UnknownOutcomeError),
        (httpx.UnsupportedProtocol("x"), True, ClientError),
    ],
)
def test_failures_of_connections(error: Exception, begun: bool, kind: type[Exception]) -> None:
    failure = transport_failure(error, "http://a:1", begun=begun)
    assert type(failure.error) is kind
    assert "http://a:1" in str(failure.error) or isinstance(error, httpx.PoolTimeout)
    of_stream = reading_failure(error, "http://a:1", begun=begun)
    assert type(of_stream) is (UnavailableError if kind is UnknownOutcomeError else kind)


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")


@pytest.mark.parametrize(
    "behind",
    [
        REFUSED,
        caused(OSError("All connection attempts failed"), REFUSED),
        caused(OSError("All connection attempts failed"), ExceptionGroup("several", [REFUSED, REFUSED])),
    ],
)
def test_what_the_system_says_is_told(behind: Exception) -> None:
    failure = transport_failure(caused(httpx.ConnectError(str(behind)), behind), "http://a:1", begun=False)
    assert str(failure.error) == "http://a:1 cannot be reached: Connection refused"
