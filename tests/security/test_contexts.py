"""Mutual TLS: who gets in, who does not, and that a renewal needs no restart."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from nenghao.security.authority import CertificateAuthority
from nenghao.security.contexts import server_context
from nenghao.security.credentials import write_credentials, write_server
from nenghao.security.identity import identity_of
from tests.security.pki import CODE, NAME, REGION, Pair, Pki, shake_hands


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("6.1-2")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_device_of_ours_is_let_in_and_known_by_its_certificate(pki: Pki, host: str) -> None:
    server, client = shake_hands(pki.server_context(), pki.client_context(), host)
    der = server.getpeercert(True)
    assert der is not None
    assert identity_of(der).serial == pki.device_issued.serial
    assert client.version() == "TLSv1.3"


@pytest.mark.clause("6.1-1")
@pytest.mark.parametrize(
    ("who", "why"),
    [
        (Pki.expired, "certificate has expired"),
        (Pki.foreign, "unable to get local issuer certificate"),
        (Pki.self_signed, "self-signed certificate"),
        (lambda pki: pki.server, "unable to get local issuer certificate"),
    ],
    ids=["expired", "foreign CA", "self-signed", "a server's"],
)
def test_every_other_certificate_is_refused(pki: Pki, who: Callable[[Pki], Pair], why: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        shake_hands(pki.server_context(), pki.client_context(who(pki)))


@pytest.mark.clause("6.1-1")
def test_nobody_is_let_in_without_a_certificate(pki: Pki) -> None:
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(pki.server_context(), pki.anonymous_context())


def test_a_device_with_the_server_cas_certificate_among_the_trusted_still_needs_the_right_usage(
    pki: Pki, tmp_path: Path
) -> None:
    """Even where an operator trusts too much, the extended key usage stands in the way."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"".join(path.read_bytes() for path in (tmp_path / "ca").glob("*.pem")))
    context = server_context(pki.server.chain, pki.server.key, bundle)
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        shake_hands(context, pki.client_context(pki.server))


@pytest.mark.clause("6.1-2")
def test_a_device_refuses_a_platform_under_another_name(pki: Pki) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(pki.server_context(), pki.client_context(), "platform.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        shake_hands(pki.server_context(), pki.client_context(), "127.0.0.2")


def test_a_device_refuses_a_platform_of_another_ca(pki: Pki, tmp_path: Path) -> None:
    other = CertificateAuthority.create(tmp_path / "other-ca", pki.now)
    chain, key = write_server(tmp_path / "other", other.issue_server(["127.0.0.1"], pki.now))
    context = server_context(chain, key, pki.authority.client_ca_file)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, pki.client_context())


def test_a_device_refuses_a_device_that_plays_the_platform(pki: Pki) -> None:
    context = server_context(pki.device.chain, pki.device.key, pki.authority.client_ca_file)
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        shake_hands(context, pki.client_context())


def test_tls_1_2_works_and_older_versions_do_not(pki: Pki) -> None:
    client = pki.client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    _, connection = shake_hands(pki.server_context(), client)
    assert connection.version() == "TLSv1.2"
    for context in (pki.server_context(), pki.client_context()):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("side", [Pki.server_context, Pki.client_context])
def test_only_suites_with_authenticated_encryption_are_offered(
    pki: Pki, side: Callable[[Pki], ssl.SSLContext]
) -> None:
    suites = side(pki).get_ciphers()
    assert suites
    assert all(suite["aead"] for suite in suites)
    assert {suite["protocol"] for suite in suites} == {"TLSv1.2", "TLSv1.3"}


def test_a_client_with_only_older_suites_is_refused(pki: Pki) -> None:
    client = pki.client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        shake_hands(pki.server_context(), client)


def test_checks_are_on_and_the_systems_trust_store_plays_no_part(pki: Pki) -> None:
    client, server = pki.client_context(), pki.server_context()
    assert client.check_hostname
    assert client.verify_mode == server.verify_mode == ssl.CERT_REQUIRED
    assert client.verify_flags & ssl.VERIFY_X509_STRICT
    assert server.verify_flags & ssl.VERIFY_X509_STRICT
    root = x509.load_pem_x509_certificate(pki.ca_pem.read_bytes())
    device_ca = x509.load_pem_x509_certificate(pki.device_issued.issuer)
    assert client.get_ca_certs(True) == [root.public_bytes(Encoding.DER)]
    assert server.get_ca_certs(True) == [device_ca.public_bytes(Encoding.DER)]


def test_no_session_is_handed_out_for_resumption(pki: Pki) -> None:
    server = pki.server_context()
    assert server.num_tickets == 0
    assert server.options & ssl.OP_NO_TICKET
    _, client = shake_hands(server, pki.client_context())
    assert client.session is None or not client.session.has_ticket


# --- renewal without a restart ----------------------------------------------------------


def served(client: ssl.SSLObject) -> str:
    """Serial of the certificate that the platform showed."""
    der = client.getpeercert(True)
    assert der is not None
    return format(x509.load_der_x509_certificate(der).serial_number, "x")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["by SNI", "by address"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_renewed_server_certificate_is_shown_from_the_next_connection_on(
    pki: Pki, host: str, version: ssl.TLSVersion
) -> None:
    failures: list[Exception] = []
    context = pki.renewing_context(failures)
    client = pki.client_context()
    client.minimum_version = client.maximum_version = version
    before = served(shake_hands(context, client, host)[1])
    renewed = pki.authority.issue_server(["127.0.0.1", "localhost"], pki.now)
    write_server(pki.root / "server", renewed)
    after = served(shake_hands(context, client, host)[1])
    assert after == renewed.serial != before
    assert failures == []


def test_a_client_without_sni_gets_the_renewed_certificate_too(pki: Pki) -> None:
    context = pki.renewing_context([])
    client = pki.client_context()
    client.check_hostname = False
    renewed = pki.authority.issue_server(["localhost"], pki.now)
    write_server(pki.root / "server", renewed)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=None)
    for side in (theirs, ours, theirs, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert served(theirs) == renewed.serial


@pytest.mark.clause("6.1-1")
def test_a_changed_client_ca_decides_from_the_next_connection_on(pki: Pki) -> None:
    context = pki.renewing_context([])
    shake_hands(context, pki.client_context())
    other = CertificateAuthority.create(pki.root / "next-ca", pki.now)
    issued = other.issue_device(CODE, NAME, REGION, 1, pki.now)
    write_credentials(pki.root / "next", issued, {})
    newcomer = pki.client_context(pki.pair("next"))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, newcomer)
    shutil.copyfile(other.client_ca_file, pki.authority.client_ca_file)
    shake_hands(context, newcomer)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, pki.client_context())


def test_files_that_do_not_fit_together_leave_the_last_good_ones_in_force(pki: Pki) -> None:
    failures: list[Exception] = []
    context = pki.renewing_context(failures)
    before = served(shake_hands(context, pki.client_context())[1])
    good = pki.server.key.read_bytes()
    pki.server.key.write_bytes(pki.device.key.read_bytes())
    assert served(shake_hands(context, pki.client_context())[1]) == before
    assert served(shake_hands(context, pki.client_context())[1]) == before
    assert len(failures) == 1
    assert isinstance(failures[0], ssl.SSLError)
    pki.server.key.unlink()
    assert served(shake_hands(context, pki.client_context())[1]) == before
    assert isinstance(failures[1], FileNotFoundError)
    pki.server.key.write_bytes(good)
    assert served(shake_hands(context, pki.client_context())[1]) == before
    assert len(failures) == 2
