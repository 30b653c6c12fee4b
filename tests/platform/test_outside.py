"""Outside issuers in the register: asked on every request, revoked by serial, list or unit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from nenghao.clock import china_now
from nenghao.platform import certificates, outside
from nenghao.security import revocations
from nenghao.security.identity import IdentityError, PeerIdentity, serial_text
from nenghao.security.leaves import Signer, builder, make_authority, new_key, utc
from nenghao.security.names import AuthorityError
from tests.platform.world import STEEL, World, der_of, unit_code

RULE = "subject:serialNumber"


def signed(signer: Signer, code: str, begin: datetime, serial: int = 0) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, code)])
    made = builder(subject, new_key().public_key(), utc(begin), utc(begin + timedelta(days=90)))
    if serial:
        made._serial_number = serial
    return (
        made.issuer_name(signer.certificate.subject)
        .sign(signer.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


@pytest.fixture
def signer() -> Signer:
    return make_authority("外部 CA", None, None, utc(china_now()), 1000)


def holds(world: World, der: bytes) -> bool:
    with world.store.read() as conn:
        return certificates.is_valid(conn, outside.identity(conn, der))


def add(world: World, signer: Signer, rule: str = RULE) -> str:
    with world.store.write() as conn:
        return outside.add(conn, signer.certificate, rule, "外部", world.now)


@pytest.mark.clause("6.1-1")
def test_its_certificates_hold_from_import_to_removal_without_being_registered(
    world: World, signer: Signer
) -> None:
    der = signed(signer, STEEL, world.now)
    with world.store.read() as conn, pytest.raises(IdentityError):
        outside.identity(conn, der)
    name = add(world, signer)
    with world.store.read() as conn:
        identity = outside.identity(conn, der)
    assert (identity.credit_code, identity.device, identity.issuer) == (STEEL, 1, name)
    assert holds(world, der)
    with world.store.write() as conn:
        assert outside.remove(conn, name[:10], world.now) is not None
        assert not certificates.is_valid(conn, identity)
    add(world, signer)  # and taken in again
    assert holds(world, der)


def test_the_three_ways_to_revoke(world: World, signer: Signer) -> None:
    name = add(world, signer)
    before, listed, after, other = (
        signed(signer, STEEL, world.now - timedelta(days=1)),
        signed(signer, STEEL, world.now + timedelta(days=1)),
        signed(signer, STEEL, world.now + timedelta(days=1)),
        signed(signer, unit_code(1), world.now - timedelta(days=1)),
    )
    number = x509.load_der_x509_certificate(listed).serial_number
    crl = revocations.build(signer, [(number, world.now)], world.now, 30, 0)
    with world.store.write() as conn:
        outside.take_list(conn, name, revocations.parse(crl, signer.certificate))
        outside.revoke_unit(conn, STEEL, world.now)
    assert [holds(world, der) for der in (before, listed, after, other)] == [
        *(False, False, True, True),
    ]  # fmt: skip
    with world.store.write() as conn:
        serial = serial_text(x509.load_der_x509_certificate(other).serial_number)
        outside.revoke_serial(conn, serial, world.now)
    assert not holds(world, other)
    with world.store.write() as conn:  # a later list replaces the one before, and nothing else
        empty = revocations.build(signer, (), world.now, 30, 0)
        outside.take_list(conn, name, revocations.parse(empty, signer.certificate))
    assert holds(world, listed)
    assert not holds(world, other)


def test_a_copy_of_a_registered_certificates_names_and_serial_does_not_pass(
    world: World,
) -> None:
    """As a CA below a trusted outside one could make it: only the certificate itself counts."""
    issued = world.issue()
    mine = x509.load_pem_x509_certificate(issued.certificate)
    stranger = make_authority("中间 CA", None, None, utc(china_now()), 100)
    made: Any = builder(
        mine.subject, new_key().public_key(), mine.not_valid_before_utc, mine.not_valid_after_utc
    )
    made._serial_number = mine.serial_number
    copy = (
        made.issuer_name(mine.issuer).sign(stranger.key, hashes.SHA256()).public_bytes(Encoding.DER)
    )
    with world.store.read() as conn:
        identity = outside.identity(conn, copy)
    assert (identity.credit_code, identity.serial) == (STEEL, issued.serial)
    assert not holds(world, copy)
    assert holds(world, der_of(issued))


def test_an_ended_issuer_is_not_taken(world: World, signer: Signer) -> None:
    with world.store.write() as conn, pytest.raises(AuthorityError, match="到期"):
        outside.add(conn, signer.certificate, RULE, "", world.now + timedelta(days=2000))


def test_dates_are_known_for_every_request(world: World) -> None:
    with world.store.read() as conn:
        identity = outside.identity(conn, der_of(world.issue()))
    assert identity.not_after is not None
    assert not identity.has_expired(identity.not_after)
    assert identity.has_expired(identity.not_after + timedelta(seconds=1))
    assert not PeerIdentity(STEEL, 1, "ab").has_expired(world.now)


@pytest.mark.clause("6.1-1")
def test_a_certificate_that_ends_while_its_connection_lives_is_refused(world: World) -> None:
    client = world.client()
    client.register()
    world.now = china_now() + timedelta(days=1096)
    reply = client.post("/versionCheck", {"deviceId": client.device_id})
    assert (reply.code, "证书已过期" in reply.text) == ("E2002", True)
