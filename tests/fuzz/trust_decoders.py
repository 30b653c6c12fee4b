"""The decoders of trust: certificates, requests and lists that come from outside.

Binary ones are given DER, since a changed byte of PEM hardly ever reaches what is inside.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from sqlalchemy import Connection, create_engine

from nenghao.platform import outside
from nenghao.platform.store.schema import metadata
from nenghao.platform.web import enrol_messages
from nenghao.security import issuers, revocations
from nenghao.security.enrolment import (
    AnswerRefused,
    CodeError,
    EnrolmentCode,
    check_handed_over,
)
from nenghao.security.identity import IdentityError, unit_urn
from nenghao.security.leaves import Signer, key_pem, make_authority, pem, utc
from nenghao.security.names import AuthorityError
from nenghao.security.requests import RequestRefused, key_of_request, make_request
from nenghao.standard.replies import RequestError
from tests.fuzz.decoder import Decoder, text

CODE = "91330000573973053F"
NOW = datetime(2026, 11, 21, 12)
OID = "1.2.156.10260.4.1.4"
RULES = (
    "subject:organizationIdentifier:NTRCN-",
    "subject:serialNumber",
    f"extension:{OID}",
    "san:uri:urn:code:",
    "san:dns:code-",
)
_KEY = ec.generate_private_key(ec.SECP256R1())


@cache
def _signer() -> Signer:
    return make_authority("外部 CA", None, ExtendedKeyUsageOID.CLIENT_AUTH, utc(NOW), 1000)


@cache
def _leaf() -> x509.Certificate:
    """A certificate of an outside CA that holds the credit code in every place."""
    signer = _signer()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRCN-{CODE}"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, CODE),
        ]
    )
    names = [
        x509.UniformResourceIdentifier(unit_urn(CODE, 1)),
        x509.UniformResourceIdentifier(f"urn:code:{CODE}"),
        x509.DNSName(f"code-{CODE}"),
    ]
    own = x509.UnrecognizedExtension(ObjectIdentifier(OID), b"\x13\x12" + CODE.encode())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject)
        .public_key(_KEY.public_key())
        .serial_number(12345)
        .not_valid_before(utc(NOW))
        .not_valid_after(utc(NOW) + timedelta(days=900))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(own, critical=False)
        .sign(signer.key, hashes.SHA256())
    )


@cache
def _register() -> Connection:
    """A register with that CA in it; nothing is written to it later."""
    conn = create_engine("sqlite://").connect()
    metadata.create_all(conn)
    outside.add(conn, _signer().certificate, "subject:serialNumber", "", NOW)
    return conn


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _wrapped(data: bytes, label: str) -> bytes:
    inner = base64.encodebytes(data)
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), inner, label.encode())


def _body(pem_text: bytes) -> bytes:
    start, end = pem_text.index(b"\n"), pem_text.rindex(b"-----END")
    return base64.b64decode(pem_text[start:end])


def _codes(data: bytes) -> None:
    """Every rule, whether or not the signature holds."""
    issuers.issuer_name_of(data)
    certificate = x509.load_der_x509_certificate(data)
    for rule in RULES:
        try:
            issuers.Rule.parse(rule).code_of(certificate)
        except IdentityError:
            continue


def _issuer(data: bytes) -> object:
    certificate = issuers.read_certificate(_wrapped(data, "CERTIFICATE"))
    return outside.add(_register(), certificate, "subject:serialNumber", "", NOW)


def _handed_over(data: bytes) -> object:
    chain = _wrapped(data, "CERTIFICATE")
    return check_handed_over(chain, pem(_signer().certificate), key_pem(_KEY))


def _list(data: bytes) -> Any:
    return revocations.parse(data, _signer().certificate)


_REQUEST = make_request(_KEY, CODE)
_LIST = revocations.build(_signer(), [(12345, NOW), (99, NOW)], NOW, 30, 0)
_ENROL = json.dumps({"secret": "A" * 20, "csr": _REQUEST.decode()}).encode()
_RENEW = json.dumps({"csr": _REQUEST.decode()}).encode()

TRUST_DECODERS: dict[str, Decoder] = {
    "signing request": Decoder(
        lambda data: key_of_request(_wrapped(data, "CERTIFICATE REQUEST")),
        (RequestRefused,),
        (_body(_REQUEST),),
    ),
    "signing request, PEM": Decoder(key_of_request, (RequestRefused,), (_REQUEST,)),
    "revocation list": Decoder(_list, (AuthorityError,), (_body(_LIST), _LIST)),
    "revocation list of anybody": Decoder(revocations.parse, (AuthorityError,), (_body(_LIST),)),
    "issuer's rule": Decoder(
        text(issuers.Rule.parse), (AuthorityError,), tuple(rule.encode() for rule in RULES)
    ),
    "certificate by rules": Decoder(_codes, (IdentityError,), (_der(_leaf()),)),
    "certificate by the register": Decoder(
        lambda data: outside.identity(_register(), data), (IdentityError,), (_der(_leaf()),)
    ),
    "outside issuer": Decoder(_issuer, (AuthorityError,), (_der(_signer().certificate),)),
    "enrolment code": Decoder(
        text(EnrolmentCode.parse), (CodeError,), (("NH-" + "-".join(["ABCDE"] * 8)).encode(),)
    ),
    "enrolment request": Decoder(enrol_messages.enrol_request, (RequestError,), (_ENROL,)),
    "renewal request": Decoder(enrol_messages.renewal_request, (RequestError,), (_RENEW,)),
    "certificate handed over": Decoder(_handed_over, (AnswerRefused,), (_der(_leaf()),)),
}
