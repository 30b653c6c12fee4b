"""The register of certificates decides on every request whether one still holds."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from nenghao.clock import china_now
from nenghao.platform import certificates
from nenghao.platform.store.schema import certificate
from nenghao.security.identity import PeerIdentity
from tests.platform.world import STEEL, World, unit_code


def valid(world: World, identity: PeerIdentity) -> bool:
    with world.store.read() as conn:
        return certificates.is_valid(conn, identity)


@pytest.mark.clause("6.1-1")
def test_a_registered_certificate_holds_for_its_own_unit_and_device_only(world: World) -> None:
    serial = world.issue(device=2).serial
    assert valid(world, PeerIdentity(STEEL, 2, serial))
    assert not valid(world, PeerIdentity(STEEL, 1, serial))
    assert not valid(world, PeerIdentity(unit_code(1), 2, serial))


@pytest.mark.clause("6.1-1")
def test_an_unregistered_certificate_does_not_hold(world: World) -> None:
    issued = world.issue(registered=False)
    assert not valid(world, PeerIdentity(STEEL, 1, issued.serial))


@pytest.mark.clause("6.1-1")
def test_a_revoked_certificate_does_not_hold_and_its_successor_does(world: World) -> None:
    first, second = world.identity(), world.identity()
    assert valid(world, first)
    assert valid(world, second)
    with world.store.write() as conn:
        conn.execute(
            update(certificate)
            .where(certificate.c.serial == first.serial)
            .values(revoked_at=world.now)
        )
    assert not valid(world, first)
    assert valid(world, second)


def test_a_serial_is_registered_once(world: World) -> None:
    issued = world.issue()
    with pytest.raises(IntegrityError), world.store.write() as conn:
        certificates.register(conn, issued, world.now)


def test_the_list_tells_all_certificates_of_one_unit_or_of_all(world: World) -> None:
    mine, other = world.issue(), world.issue(unit_code(7), 3)
    with world.store.read() as conn:
        everything = certificates.listing(conn)
        steel = certificates.listing(conn, STEEL)
    assert {row["serial"] for row in everything} == {mine.serial, other.serial}
    (row,) = steel
    assert (row["credit_code"], row["device_number"], row["name"]) == (STEEL, 1, "示例钢铁")
    assert row["issued_at"] == world.now
    assert row["revoked_at"] is None
    assert (row["not_after"] - china_now()).days in (1094, 1095)
    assert "pem" not in row
