"""TLS contexts (TLS 上下文): for both ends of chapter 6, where each verifies the other, always, and
for the listener of chapter 7, whose clients prove themselves inside (`envelope`).

Common to all: TLS 1.2 or later, suites with authenticated encryption and forward secrecy
only, VERIFY_X509_STRICT, the extended key usage of the other's certificate. There is no
switch that turns a check off; `introduction_context` fetches a public root that is then believed
for its digest alone.

Sessions are not resumed: a resumed session is not verified again, so a certificate that
expired meanwhile would live on. That alone does not make revocation immediate (TLS 1.2 caches
sessions by id, connections are kept alive): the platform asks its register on every request. The
revocation list that a device listener also goes by stops the revoked in the handshake already; it
can only refuse more, and is left out when it is about to run out, since OpenSSL would then refuse
everybody.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from nenghao.security.leaves import china

# ECDHE only, so 1.3-like: forward secrecy and AEAD. Level 2 whatever the distribution's default.
_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"


CRL_MARGIN = timedelta(hours=1)
"""A list that ends sooner is no longer gone by in handshakes."""


def server_context(
    cert_chain: Path, key: Path, client_ca_bundle: Path, crl: Path | None = None
) -> ssl.SSLContext:
    """Context of a device listener: a client certificate is required (clause 6.1-1).

    `cert_chain` holds the server's leaf and its issuing CA, `client_ca_bundle` the CAs that
    issue to devices, and nobody else: these are trusted as they stand (a partial chain), so a
    certificate from another CA under the same root is refused. With `crl`, one list for each of
    them, the revoked are refused in the handshake; an issuer without a current list would be
    refused altogether.
    """
    context = exchange_server_context(cert_chain, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=str(client_ca_bundle))
    if crl is not None:
        context.load_verify_locations(cafile=str(crl))  # lists load by cafile only, not by cadata
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def exchange_server_context(cert_chain: Path, key: Path) -> ssl.SSLContext:
    """Context of the exchange listener (clause 7.1-1): it asks its clients for no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.load_cert_chain(str(cert_chain), str(key))
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def trusting_context(ca_pem: Path) -> ssl.SSLContext:
    """Context of a client that trusts the root `ca_pem` alone and has no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.hostname_checks_common_name = False
    context.load_verify_locations(cafile=str(ca_pem))
    return context


def introduction_context() -> ssl.SSLContext:
    """Context that vouches for nobody: to fetch a root whose digest is known, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def client_context(ca_pem: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """Context of a device (clause 6.1-2): shows `cert`, trusts the root `ca_pem` alone.

    The platform's name or address is verified against its certificate's alternative names; the
    system's own trust store plays no part.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.hostname_checks_common_name = False
    context.load_verify_locations(cafile=str(ca_pem))
    context.load_cert_chain(str(cert), str(key))
    return context


def renewing_server_context(
    cert_chain: Path,
    key: Path,
    client_ca_bundle: Path,
    on_failure: Callable[[Exception], None],
    crl: Path | None = None,
    clock: Callable[[], datetime] | None = None,
) -> ssl.SSLContext:
    """`server_context` that follows its files: a renewed certificate or CA needs no restart.

    Loading into a live context leaves the old state in force, so the context handed out is only
    a front: at each handshake it passes the connection on to one built from the files as they
    are now, rebuilt when they change. While they do not fit together (between two replacements,
    or a mistake) the last good one stays in force; `on_failure` hears of each such state once.

    `crl` (with `clock`, China Standard Time) is followed likewise; while it is absent, empty or
    about to run out by the clock, handshakes do without.
    """
    files = (cert_chain, key, client_ca_bundle)
    if crl is None or clock is None:
        return _renewing(server_context, files, on_failure)
    return _ListedFront(files, crl, clock, on_failure).front


class _ListedFront:
    """A front whose connections are also held against a revocation list.

    Certificates and lists come from the context that the callback assigns, whether lists are
    looked at from the front: OpenSSL copies that flag when the connection is made. So the front's
    flag is kept at what holds for the next connection. Only where a list ended unnoticed, since
    nobody connected for its last hour, is one connection refused.
    """

    def __init__(
        self,
        files: tuple[Path, Path, Path],
        crl: Path,
        clock: Callable[[], datetime],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._files = files
        self._crl = crl
        self._clock = clock
        self._on_failure = on_failure
        self._seen = states_of((*files, crl))
        self._until = _end_of(crl)
        self.front = server_context(*files, crl if self._is_listed() else None)
        self._current = self.front
        self.front.sni_callback = self._choose

    def _is_listed(self) -> bool:
        return self._until is not None and self._clock() < self._until - CRL_MARGIN

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, *_: object) -> None:
        state = states_of((*self._files, self._crl))
        if state != self._seen:
            self._seen = state
            before, was_listed = self._current, self._until is not None
            self._take_up()
            if was_listed and self._until is None:
                # This connection still asks for lists; the ones before have them.
                connection.context = before
                return
        elif self._until is not None and not self._is_listed():
            self._until = None
            self._flag(False)
        connection.context = self._current

    def _take_up(self) -> None:
        try:
            self._until = _end_of(self._crl)
            listed = self._is_listed()
            self._until = self._until if listed else None
            self._current = server_context(*self._files, self._crl if listed else None)
            self._flag(listed)
        except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
            self._on_failure(e)

    def _flag(self, listed: bool) -> None:
        flags = self.front.verify_flags & ~ssl.VERIFY_CRL_CHECK_LEAF
        self.front.verify_flags = flags | ssl.VERIFY_CRL_CHECK_LEAF if listed else flags


def _end_of(crl: Path) -> datetime | None:
    """When the first list of a file of lists ends; None when there is none to go by."""
    try:
        text = crl.read_bytes()
        ends = []
        for part in text.split(_BEGIN)[1:]:
            end = x509.load_pem_x509_crl(_BEGIN + part).next_update_utc
            if end is None:
                return None
            ends.append(china(end))
    except (OSError, ValueError):
        return None
    return min(ends, default=None)


_BEGIN = b"-----BEGIN X509 CRL-----"


def renewing_exchange_context(
    cert_chain: Path, key: Path, on_failure: Callable[[Exception], None]
) -> ssl.SSLContext:
    """`exchange_server_context` that follows its files, as `renewing_server_context`."""
    return _renewing(exchange_server_context, (cert_chain, key), on_failure)


def _renewing(
    make: Callable[..., ssl.SSLContext],
    files: tuple[Path, ...],
    on_failure: Callable[[Exception], None],
) -> ssl.SSLContext:
    front = make(*files)
    current = front
    seen = states_of(files)

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, *_: object) -> None:
        nonlocal current, seen
        state = states_of(files)
        if state != seen:
            seen = state
            try:
                current = make(*files)
            except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
                on_failure(e)
        connection.context = current

    front.sni_callback = choose
    return front


def states_of(files: tuple[Path, ...]) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when a file is written or replaced; None for one that is absent."""
    states: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            states.append(None)
        else:
            states.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(states)


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
