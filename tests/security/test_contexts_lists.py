"""Revocation lists in handshakes: taken up while running, and never a trap for everybody."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta

import pytest

from nenghao.security.authority import DEVICE_CA
from nenghao.security.contexts import renewing_server_context
from tests.security.pki import Pki, shake_hands

REVOKED = 23
"""OpenSSL's X509_V_ERR_CERT_REVOKED."""


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def listed(pki: Pki, clock: Clock, failures: list[Exception]) -> ssl.SSLContext:
    return renewing_server_context(
        pki.server.chain, pki.server.key, pki.authority.client_ca_file, failures.append,
        pki.authority.directory / "device-ca.crl", clock,
    )  # fmt: skip


def refused(context: ssl.SSLContext, pki: Pki) -> bool:
    try:
        shake_hands(context, pki.client_context())
    except ssl.SSLCertVerificationError as error:
        if error.verify_code != REVOKED:
            raise
        return True
    return False


@pytest.mark.clause("6.1-1")
def test_a_new_list_counts_from_the_next_handshake_on_with_and_without_a_name(pki: Pki) -> None:
    """Loading it into the context that serves would leave the old one in force."""
    failures: list[Exception] = []
    context = listed(pki, Clock(pki.now), failures)
    assert not refused(context, pki)
    serial = int(pki.device_issued.serial, 16)
    pki.authority.publish_revocations(DEVICE_CA, [(serial, pki.now)], pki.now)
    assert refused(context, pki)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, pki.client_context(), "localhost")
    pki.authority.publish_revocations(DEVICE_CA, (), pki.now)
    assert not refused(context, pki)
    assert failures == []


def test_a_list_that_is_absent_or_about_to_end_refuses_nobody(pki: Pki) -> None:
    failures: list[Exception] = []
    clock = Clock(pki.now)
    context = listed(pki, clock, failures)
    clock.now = pki.now + timedelta(days=30) - timedelta(minutes=30)
    assert not refused(context, pki)
    assert not context.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
    (pki.authority.directory / "device-ca.crl").unlink()
    assert not refused(context, pki)
    # and a list that comes back counts again, from the handshake after the one that found it
    clock.now = pki.now
    serial = int(pki.device_issued.serial, 16)
    pki.authority.publish_revocations(DEVICE_CA, [(serial, pki.now)], pki.now)
    refused(context, pki)
    assert refused(context, pki)
    assert failures == []


def test_a_list_that_nobody_can_read_leaves_the_handshake_to_the_certificates(pki: Pki) -> None:
    failures: list[Exception] = []
    context = listed(pki, Clock(pki.now), failures)
    (pki.authority.directory / "device-ca.crl").write_text("-----BEGIN X509 CRL-----\nAAAA")
    assert not refused(context, pki)
