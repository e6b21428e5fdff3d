"""Certificates: the TLS contexts of a node, and their reload while it runs.

Each server and client holds a `NewestContext` for good. A reload makes new contexts from the files and puts them behind
those: new connections use them, open ones go on. So an authority that is removed from its file is no longer trusted,
and no old session resumes, which would need no certificate. Errors appear while the new contexts are made, so a bad
file changes nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from coterie.app.settings.tls import TlsSettings

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_CLIENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class TlsError(Exception):
    """A file cannot be used; the message names its setting and says why."""


@dataclass(frozen=True, slots=True)
class _Files:
    certificate: Path
    key: Path
    ca: Path | None


class NewestContext(ssl.SSLContext):
    """Stands for the newest of contexts that follow one another. It has no certificate and trusts nobody itself.

    A listening socket keeps the context that it was given. Event loops ask it for each connection's TLS by `wrap_bio`,
    asyncio's as uvloop's.
    """

    newest: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return self.newest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class Tls:
    """The contexts of a node. `server` and `client` speak HTTP, `etcd_server` HTTP/2 too, the other two Raft."""

    def __init__(self, settings: TlsSettings, now: datetime | None = None) -> None:
        """Of settings with a certificate. Raises TlsError."""
        if settings.certificate is None or settings.key is None:
            raise ValueError("needs a certificate and its key")
        self.settings = settings
        self._files = _Files(settings.certificate, settings.key, settings.ca)
        self.node_name = settings.node_name
        self.server = NewestContext(ssl.PROTOCOL_TLS_SERVER)
        self.etcd_server = NewestContext(ssl.PROTOCOL_TLS_SERVER)
        self.client = NewestContext(ssl.PROTOCOL_TLS_CLIENT)
        self.raft_server = NewestContext(ssl.PROTOCOL_TLS_SERVER)
        self.raft_client = NewestContext(ssl.PROTOCOL_TLS_CLIENT)
        self.prepare(now)()

    def prepare(self, now: datetime | None = None) -> Callable[[], None]:
        """Contexts of the files as they are now; returns what puts them to use for new connections, and cannot fail.
        Raises TlsError."""
        clients = _CLIENTS[self.settings.client_certificates]
        of_etcd = self._context(ssl.PROTOCOL_TLS_SERVER, clients)
        # Clients of gRPC offer HTTP/2 alone. What offers both sends JSON, and is served over HTTP/1.
        of_etcd.set_alpn_protocols(["http/1.1", "h2"])
        made = (
            (self.server, self._context(ssl.PROTOCOL_TLS_SERVER, clients)),
            (self.etcd_server, of_etcd),
            (self.client, self._context(ssl.PROTOCOL_TLS_CLIENT, ssl.CERT_REQUIRED)),
            (self.raft_server, self._context(ssl.PROTOCOL_TLS_SERVER, ssl.CERT_REQUIRED)),
            (self.raft_client, self._context(ssl.PROTOCOL_TLS_CLIENT, ssl.CERT_REQUIRED)),
        )
        _check_time(self._files.certificate, now or datetime.now(UTC))

        def use() -> None:
            for standing, context in made:
                standing.newest = context

        return use

    def _context(self, protocol: int, verify: ssl.VerifyMode) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = _VERSIONS[self.settings.minimum_version]
        if verify is not ssl.CERT_REQUIRED or protocol == ssl.PROTOCOL_TLS_SERVER:
            context.check_hostname = False
        context.verify_mode = verify
        if protocol == ssl.PROTOCOL_TLS_CLIENT and self._files.ca is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        _load(context, self._files)
        return context


def _load(context: ssl.SSLContext, files: _Files) -> None:
    for name, path in (("tls.certificate", files.certificate), ("tls.key", files.key), ("tls.ca", files.ca)):
        if path is not None:
            try:
                path.read_bytes()
            except OSError as error:
                raise TlsError(f"{name} {path}: {error.strerror or error}") from None
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except _EncryptedError:
        raise TlsError(f"tls.key {files.key}: it is encrypted; give it without a password") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError(f"tls.key {files.key}: it does not belong to tls.certificate {files.certificate}") from None
        raise TlsError(
            f"tls.certificate {files.certificate} or tls.key {files.key}: not a PEM certificate with its private key"
        ) from None
    if files.ca is not None:
        try:
            context.load_verify_locations(files.ca)
        except ssl.SSLError:
            raise TlsError(f"tls.ca {files.ca}: no certificates in PEM form") from None


class _EncryptedError(Exception):
    pass


def _no_password() -> str:
    raise _EncryptedError


def _check_time(path: Path, now: datetime) -> None:
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        raise TlsError(f"tls.certificate {path}: not a PEM certificate") from None
    if now > certificate.not_valid_after_utc:
        raise TlsError(f"tls.certificate {path}: it expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if now < certificate.not_valid_before_utc:
        raise TlsError(
            f"tls.certificate {path}: it is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        )
