"""TLS with national cryptography: what is agreed on, who is believed, files that change."""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from nenghao.security.authority import DEVICE_CA
from nenghao.security.credentials import write_server
from nenghao.security.sm_tls import names, sm_client_context, sm_server_context
from tests.security.pki import Pki
from tests.security.sm_pki import HOST, SmPki, needs_openssl
from tests.security.sm_wire import PATIENCE, handshake, pair, sockets, spoken, upgraded

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> SmPki:
    return SmPki(tmp_path_factory.mktemp("sm"))


# --- what is agreed on ----------------------------------------------------------------------------


async def _agreed(pki: SmPki) -> None:
    async with pair(pki.server_context(), pki.client_context()) as ((ours, told), (theirs, heard)):
        for transport in (ours, theirs):
            assert spoken(transport).version() == "TLSv1.3"
            assert spoken(transport).cipher() == "TLS_SM4_GCM_SM3"
            assert spoken(transport).group() == "curveSM2"
            assert transport.get_extra_info("sslcontext") is not None
            assert transport.get_extra_info("peername")[0] == HOST
            assert not transport.is_closing()
        leaf = x509.load_pem_x509_certificate(pki.device_issued.certificate)
        shown = x509.load_der_x509_certificate(spoken(ours).getpeercert(True))
        assert shown == leaf
        theirs.write(b"question")
        await told.until(lambda: told.data == b"question")
        ours.writelines([b"an", memoryview(b"swer")])
        await heard.until(lambda: heard.data == b"answer")


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("6.1-2")
def test_suite_group_and_certificates_are_those_of_rfc_8998(pki: SmPki) -> None:
    asyncio.run(_agreed(pki))


def test_a_client_believes_nobody_but_whom_it_means(pki: SmPki, tmp_path: Path) -> None:
    handshake(pki.server_context(), pki.client_context(), "localhost")
    with pytest.raises(ssl.SSLError) as caught:
        handshake(pki.server_context(), pki.client_context(), "platform.example")
    refused = caught.value
    # whichever end is heard first: the client's own words, or the alert that it sent
    assert getattr(refused, "verify_code", 62) == 62
    ours, theirs = sockets()

    async def client() -> None:
        server = asyncio.create_task(upgraded(pki.server_context(), ours, None, PATIENCE, 1))
        with pytest.raises(ssl.SSLCertVerificationError) as refusal:
            await upgraded(pki.client_context(), theirs, "127.0.0.2", PATIENCE, 1)
        assert refusal.value.verify_message == "hostname mismatch"
        with pytest.raises(ssl.SSLError, match="alert"):
            await server

    asyncio.run(client())


def test_a_client_believes_no_server_of_another_root(pki: SmPki, tmp_path: Path) -> None:
    stranger = SmPki(tmp_path)
    mixed = sm_client_context(stranger.authority.root_file, pki.device.chain, pki.device.key)
    ours, theirs = sockets()

    async def run() -> None:
        server = asyncio.create_task(upgraded(pki.server_context(), ours, None, PATIENCE, 1))
        with pytest.raises(ssl.SSLCertVerificationError) as refusal:
            await upgraded(mixed, theirs, HOST, PATIENCE, 1)
        assert refusal.value.verify_code in (19, 20)
        with pytest.raises(ssl.SSLError, match="unknown ca"):
            await server

    asyncio.run(run())


def test_a_device_certificate_is_no_server(pki: SmPki) -> None:
    context = sm_server_context(
        pki.device.chain, pki.device.key, pki.authority.client_ca_file, lambda _: None
    )
    with pytest.raises(ssl.SSLError):
        handshake(context, pki.client_context())


def test_a_client_must_say_whom_it_means(pki: SmPki) -> None:
    ours, theirs = sockets()

    async def run() -> None:
        with pytest.raises(ValueError, match="whom"):
            await upgraded(pki.client_context(), theirs, None, PATIENCE, 1)

    asyncio.run(run())
    ours.close()


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("127.0.0.1", True), ("localhost", True), ("LOCALHOST", True), ("localhost.", True),
        ("127.0.0.2", False), ("::1", False), ("local", False), ("a.localhost", False), ("", False),
    ],
)  # fmt: skip
def test_names_are_compared_whole(pki: SmPki, host: str, fits: bool) -> None:
    leaf = x509.load_pem_x509_certificates(pki.server.chain.read_bytes())[0]
    assert names(leaf, host) is fits


@pytest.mark.parametrize(
    ("host", "fits"),
    [("a.nenghao.cn", True), ("nenghao.cn", False), ("a.b.nenghao.cn", False), ("a.cn", False)],
)
def test_a_star_stands_for_one_label(host: str, fits: bool) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nenghao.cn")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1))
        .not_valid_after(datetime(2027, 1, 1))
    )
    assert not names(made.sign(key, hashes.SHA256()), "nenghao.cn")  # a common name counts nothing
    starred = made.add_extension(
        x509.SubjectAlternativeName([x509.DNSName("*.nenghao.cn")]), critical=False
    )
    assert names(starred.sign(key, hashes.SHA256()), host) is fits


# --- files that change ----------------------------------------------------------------------------


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(tmp_path: Path) -> None:
    pki = SmPki(tmp_path)
    failures: list[Exception] = []
    context = pki.server_context(failures)

    async def serial() -> int:
        async with pair(context, pki.client_context()) as (_, (theirs, _)):
            return x509.load_der_x509_certificate(spoken(theirs).getpeercert(True)).serial_number

    first = asyncio.run(serial())
    issued = pki.authority.issue_server([HOST], pki.now)
    write_server(tmp_path / "server", issued)
    assert asyncio.run(serial()) == int(issued.serial, 16) != first
    pki.server.chain.write_text("nonsense")
    assert asyncio.run(serial()) == int(issued.serial, 16)
    assert asyncio.run(serial()) == int(issued.serial, 16)
    assert len(failures) == 1
    assert isinstance(failures[0], ssl.SSLError)


def test_the_revocation_list_is_followed_and_left_out_when_it_runs_out(tmp_path: Path) -> None:
    pki = SmPki(tmp_path)
    now = [pki.now]
    context = pki.server_context(clock=lambda: now[0])
    handshake(context, pki.client_context())

    serial = int(pki.device_issued.serial, 16)
    pki.authority.publish_revocations(DEVICE_CA, [(serial, pki.now)], pki.now)
    ours, theirs = sockets()

    async def refused() -> None:
        client = asyncio.create_task(upgraded(pki.client_context(), theirs, HOST, PATIENCE, 1))
        with pytest.raises(ssl.SSLCertVerificationError) as refusal:
            await upgraded(context, ours, None, PATIENCE, 1)
        assert refusal.value.verify_code == 23
        transport, heard = await client
        async with asyncio.timeout(PATIENCE):
            error = await heard.lost
        assert isinstance(error, ssl.SSLError)
        assert "CERTIFICATE_REVOKED" in str(error.reason)
        assert transport.is_closing()

    asyncio.run(refused())

    # another device is not concerned
    pki.issue("second", device=2)
    handshake(context, pki.client_context(pki.pair("second")))
    # a list about to run out would refuse everybody: the register alone decides then
    now[0] += timedelta(days=29, hours=23, minutes=30)
    handshake(context, pki.client_context())
    pki.authority.list_file.unlink()
    handshake(context, pki.client_context())


def test_files_that_do_not_fit_or_are_missing_are_refused_at_once(
    pki: SmPki, tmp_path: Path
) -> None:
    ca = pki.authority.root_file
    with pytest.raises(ssl.SSLError):
        sm_client_context(ca, pki.device.chain, pki.server.key)
    with pytest.raises(FileNotFoundError):
        sm_client_context(ca, pki.device.chain, tmp_path / "absent.key")
    with pytest.raises(ssl.SSLError):
        sm_client_context(pki.device.key, pki.device.chain, pki.device.key)
    other = Pki(tmp_path)
    with pytest.raises(ssl.SSLError):
        sm_client_context(ca, pki.device.chain, other.device.key)
