"""TLS contexts (TLS 上下文): for both ends of chapter 6, where each verifies the other, always, and
for the listener of chapter 7, whose clients prove themselves inside (`envelope`).

Common to all: TLS 1.2 or later, suites with authenticated encryption and forward secrecy
only, VERIFY_X509_STRICT, the extended key usage of the other's certificate. There is no
switch that turns a check off.

Sessions are not resumed: a resumed session is not verified again, so a certificate that
expired meanwhile would live on. That alone does not make revocation immediate (TLS 1.2 caches
sessions by id, connections are kept alive): the platform asks its register on every request.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

# ECDHE only, so 1.3-like: forward secrecy and AEAD. Level 2 whatever the distribution's default.
_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"


def server_context(cert_chain: Path, key: Path, client_ca_bundle: Path) -> ssl.SSLContext:
    """Context of a device listener: a client certificate is required (clause 6.1-1).

    `cert_chain` holds the server's leaf and its issuing CA, `client_ca_bundle` the CAs that
    issue to devices, and nobody else: these are trusted as they stand (a partial chain), so a
    certificate from another CA under the same root is refused.
    """
    context = exchange_server_context(cert_chain, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=str(client_ca_bundle))
    return context


def exchange_server_context(cert_chain: Path, key: Path) -> ssl.SSLContext:
    """Context of the exchange listener (clause 7.1-1): it asks its clients for no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.load_cert_chain(str(cert_chain), str(key))
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
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
) -> ssl.SSLContext:
    """`server_context` that follows its files: a renewed certificate or CA needs no restart.

    Loading into a live context leaves the old state in force, so the context handed out is only
    a front: at each handshake it passes the connection on to one built from the files as they
    are now, rebuilt when they change. While they do not fit together (between two replacements,
    or a mistake) the last good one stays in force; `on_failure` hears of each such state once.
    """
    return _renewing(server_context, (cert_chain, key, client_ca_bundle), on_failure)


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
    seen = _state_of(files)

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, *_: object) -> None:
        nonlocal current, seen
        state = _state_of(files)
        if state != seen:
            seen = state
            try:
                current = make(*files)
            except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
                on_failure(e)
        connection.context = current

    front.sni_callback = choose
    return front


def _state_of(files: tuple[Path, ...]) -> tuple[tuple[int, int, int] | None, ...]:
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
