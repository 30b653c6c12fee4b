"""TLS with national cryptography (国密 TLS, RFC 8998), for both ends of chapter 6.

TLS 1.3 with TLS_SM4_GCM_SM3, key exchange on curveSM2 and SM2 certificates, and nothing else:
whoever has none of it has the other port. Python's `ssl` cannot do this; pyOpenSSL with the
OpenSSL of the `cryptography` wheel can (the extra `sm`). How bytes move is `sm_transport`'s
business; like `contexts`, nothing here turns a check off, and sessions are not resumed.

Errors come out as the `ssl` module's own (`ssl.SSLError`, `ssl.SSLCertVerificationError` with its
code), so that whoever explains them needs to know one kind only. Tied to one event loop: the
checks of two handshakes must not run in two threads at once.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL, crypto

from nenghao.security import revocations
from nenghao.security.contexts import CRL_MARGIN, states_of
from nenghao.security.sm_transport import SmTransport, ssl_error

SUITE = b"TLS_SM4_GCM_SM3"
GROUP = b"curveSM2"
SIGNATURE = b"sm2sig_sm3"

_HOSTNAME_MISMATCH = 62
_VERIFY_MESSAGES = {
    3: "unable to get certificate CRL",
    7: "certificate signature failure",
    9: "certificate is not yet valid",
    10: "certificate has expired",
    12: "CRL has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    21: "unable to verify the first certificate",
    23: "certificate revoked",
    26: "unsuitable certificate purpose",
    _HOSTNAME_MISMATCH: "hostname mismatch",
}


class SmContext:
    """What connections of one end are made from; `start_tls` is that of an event loop.

    Passes for an `ssl.SSLContext` where the listener and the device's client take one.
    """

    verify_mode = ssl.CERT_REQUIRED

    def __init__(self, current: Callable[[], SSL.Context], *, server_side: bool) -> None:
        self._current = current
        self._server_side = server_side

    async def start_tls(
        self,
        raw: asyncio.Transport,
        protocol: asyncio.Protocol,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float,
        ssl_shutdown_timeout: float,
    ) -> SmTransport:
        """Perform the handshake on a TCP connection that nobody reads; what carries it then.

        A client names the platform that it means, and believes no other. Raises `ssl.SSLError`,
        `ConnectionAbortedError` when time is up, `ConnectionResetError` when the other is gone.
        """
        connection = SSL.Connection(self._current(), None)
        if self._server_side:
            connection.set_accept_state()
        else:
            if not server_hostname:
                raise ValueError("a client must say whom it means")
            connection.set_connect_state()
            connection.set_app_data(server_hostname)
            if _address(server_hostname) is None:
                connection.set_tlsext_host_name(server_hostname.encode("idna"))
        transport = SmTransport(raw, protocol, connection, self, ssl_shutdown_timeout)
        await transport.handshake(ssl_handshake_timeout)
        return transport


def sm_client_context(ca_pem: Path, cert: Path, key: Path) -> SmContext:
    """Context of a device: shows `cert`, trusts the root `ca_pem` alone, checks the name.

    Raises `ssl.SSLError` where the files do not fit together, `OSError` where one is missing.
    """
    context = _context(SSL.TLS_CLIENT_METHOD, cert, key, (ca_pem,))
    return SmContext(lambda: context, server_side=False)


def sm_server_context(
    cert_chain: Path,
    key: Path,
    client_ca_bundle: Path,
    on_failure: Callable[[Exception], None],
    crl: Path | None = None,
    clock: Callable[[], datetime] | None = None,
) -> SmContext:
    """Context of an SM2 device listener: a client certificate is required (clause 6.1-1).

    As `contexts.renewing_server_context`: the CAs in `client_ca_bundle` are trusted as they
    stand, and all files are followed. While they do not fit together the last good state stays
    in force, and `on_failure` hears of it once; a list that is absent, unreadable or about to run
    out by `clock` (China Standard Time) is left out.
    """
    files = _Followed(cert_chain, key, client_ca_bundle, on_failure, crl, clock)
    return SmContext(files.current, server_side=True)


class _Followed:
    """A server's files, and the context made from them as they were last good."""

    def __init__(
        self,
        cert_chain: Path,
        key: Path,
        trust: Path,
        on_failure: Callable[[Exception], None],
        crl: Path | None,
        clock: Callable[[], datetime] | None,
    ) -> None:
        self._files = (cert_chain, key, trust)
        self._crl = crl if clock is not None else None
        self._clock = clock
        self._on_failure = on_failure
        self._seen = self._state()
        self._ends: datetime | None = None
        self._context = self._made()

    def current(self) -> SSL.Context:
        """The context for the next connection."""
        state = self._state()
        ran_out = self._ends is not None and not self._holds(self._ends)
        if state != self._seen or ran_out:
            self._seen = state
            try:
                self._context = self._made()
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                self._on_failure(error)
        return self._context

    def _made(self) -> SSL.Context:
        chain, key, trust = self._files
        listed = None if self._crl is None else revocations.read(self._crl)
        ends = None if listed is None else listed.next_update
        if self._crl is None or ends is None or not self._holds(ends):
            made, ends = _context(SSL.TLS_SERVER_METHOD, chain, key, (trust,)), None
        else:
            made = _context(SSL.TLS_SERVER_METHOD, chain, key, (trust, self._crl))
            _store(made).set_flags(crypto.X509StoreFlags.CRL_CHECK)
        _store(made).set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        self._ends = ends
        return made

    def _holds(self, ends: datetime) -> bool:
        return self._clock is not None and self._clock() < ends - CRL_MARGIN

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        return states_of(self._files if self._crl is None else (*self._files, self._crl))


def _context(method: int, chain: Path, key: Path, trusted: tuple[Path, ...]) -> SSL.Context:
    for file in (chain, key, *trusted):
        file.stat()  # OpenSSL does not say which one is missing
    context = SSL.Context(method)
    try:
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_tls13_ciphersuites(SUITE)
        _confine(context)
        context.use_certificate_chain_file(str(chain))
        context.use_privatekey_file(str(key))
        context.check_privatekey()
        for file in trusted:
            _store(context).load_locations(str(file))
    except (SSL.Error, crypto.Error) as error:
        raise ssl_error(error) from error
    _store(context).set_flags(crypto.X509StoreFlags.X509_STRICT)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"nenghao")
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _judge)
    return context


def _store(context: SSL.Context) -> crypto.X509Store:
    store = context.get_cert_store()
    assert store is not None  # noqa: S101 - every context has one
    return store


def _confine(context: SSL.Context) -> None:
    """Key exchange and signatures of RFC 8998 alone, for which pyOpenSSL has no words of its own.

    Without this a peer that also knows others would be met on X25519.
    """
    lib = SSL._lib  # type: ignore[attr-defined]
    if not (
        lib.SSL_CTX_set1_curves_list(context._context, GROUP)
        and lib.SSL_CTX_set1_sigalgs_list(context._context, SIGNATURE)
    ):
        raise ssl.SSLError("cryptography 附带的 OpenSSL 不支持 RFC 8998（须 4.0 以上）")


def _judge(
    connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    """OpenSSL's verdict on one certificate of the chain, and the name on the last."""
    if not ok:
        raise _refused(error)
    meant = connection.get_app_data()
    if depth == 0 and meant is not None and not names(certificate.to_cryptography(), meant):
        raise _refused(_HOSTNAME_MISMATCH)
    return True


def _refused(code: int) -> ssl.SSLCertVerificationError:
    message = _VERIFY_MESSAGES.get(code, f"verify error {code}")
    error = ssl.SSLCertVerificationError(1, f"certificate verify failed: {message}")
    error.reason = "CERTIFICATE_VERIFY_FAILED"
    error.verify_code = code
    error.verify_message = message
    return error


def names(certificate: x509.Certificate, host: str) -> bool:
    """Whether a certificate's alternative names have a host (RFC 6125; no common name counts)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    address = _address(host)
    if address is not None:
        return address in found.get_values_for_type(x509.IPAddress)
    try:
        wanted = host.encode("idna").decode("ascii").lower().rstrip(".")
    except UnicodeError:
        return False
    return any(_matches(name.lower(), wanted) for name in found.get_values_for_type(x509.DNSName))


def _matches(pattern: str, host: str) -> bool:
    if not pattern.startswith("*."):
        return bool(host) and pattern == host
    first, _, rest = host.partition(".")
    return bool(first) and "." in rest and rest == pattern[2:]


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
