"""Rules of outside issuers: where the credit code stands, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from nenghao.clock import china_now
from nenghao.security.identity import IdentityError
from nenghao.security.issuers import OutsideIssuer, Rule, RuleError, identity_under
from nenghao.security.leaves import Signer, builder, make_authority, new_key, utc
from nenghao.security.names import AuthorityError

CODE = "91210000573973053F"
CHINESE = ObjectIdentifier("1.2.156.10260.4.1.4")


@pytest.fixture(scope="module")
def ca() -> Signer:
    return make_authority("外部 CA", None, None, utc(china_now()), 100)


def certificate(
    ca: Signer,
    attributes: list[tuple[ObjectIdentifier, str]] = [],  # noqa: B006 - read only
    extension: bytes | None = None,
    uris: list[str] = [],  # noqa: B006
) -> bytes:
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])
    key: Any = new_key()
    made = builder(subject, key.public_key(), utc(china_now()), utc(china_now().replace(year=2099)))
    made = made.issuer_name(ca.certificate.subject)
    if extension is not None:
        made = made.add_extension(x509.UnrecognizedExtension(CHINESE, extension), critical=False)
    if uris:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)


def read(ca: Signer, rule: str, der: bytes) -> str:
    identity = identity_under(der, OutsideIssuer.of(ca.certificate, rule))
    assert identity is not None
    assert identity.device == 1
    return identity.credit_code


TEXT = CODE.encode()


@pytest.mark.parametrize(
    ("rule", "content"),
    [
        ("extension:1.2.156.10260.4.1.4", {"extension": b"\x13\x12" + TEXT}),
        ("extension:1.2.156.10260.4.1.4", {"extension": b"\x0c\x12" + TEXT}),
        ("extension:1.2.156.10260.4.1.4", {"extension": b"\x04\x14\x13\x12" + TEXT}),
        ("extension:1.2.156.10260.4.1.4", {"extension": TEXT}),
        ("extension:1.2.156.10260.4.1.4:USCC", {"extension": b"USCC" + TEXT}),
        ("subject:CN", {"attributes": [(NameOID.COMMON_NAME, CODE)]}),
        ("subject:2.5.4.5", {"attributes": [(NameOID.SERIAL_NUMBER, CODE)]}),
        ("subject:OU:USCC=", {"attributes": [(NameOID.ORGANIZATIONAL_UNIT_NAME, f"USCC={CODE}")]}),
        ("san:uri:urn:uscc:", {"uris": ["https://x.example", f"urn:uscc:{CODE}"]}),
    ],
)
def test_the_code_is_read_where_the_rule_says(
    ca: Signer, rule: str, content: dict[str, Any]
) -> None:
    assert read(ca, rule, certificate(ca, **content)) == CODE


@pytest.mark.parametrize(
    ("rule", "content"),
    [
        ("subject:CN", {"attributes": [(NameOID.ORGANIZATION_NAME, CODE)]}),
        ("subject:CN", {"attributes": [(NameOID.COMMON_NAME, f"{CODE} 钢铁")]}),
        ("subject:CN", {"attributes": [(NameOID.COMMON_NAME, CODE), (NameOID.COMMON_NAME, CODE)]}),
        ("subject:CN:X-", {"attributes": [(NameOID.COMMON_NAME, CODE)]}),
        ("subject:CN", {"attributes": [(NameOID.COMMON_NAME, CODE.lower())]}),
        ("extension:1.2.156.10260.4.1.4", {}),
        ("extension:1.2.156.10260.4.1.4", {"extension": b"\xff\xfe"}),
        ("extension:1.2.156.10260.4.1.4", {"extension": b""}),
        ("san:uri", {"uris": [CODE + ":x"]}),
    ],
)
def test_what_is_not_just_there_is_no_code(ca: Signer, rule: str, content: dict[str, Any]) -> None:
    with pytest.raises(IdentityError):
        read(ca, rule, certificate(ca, **content))


@pytest.mark.parametrize(
    "rule", ["", "subject", "subject:nothing", "san:mail", "extension:x", "x:y"]
)
def test_a_rule_that_says_nothing_is_refused(ca: Signer, rule: str) -> None:
    with pytest.raises(RuleError):
        Rule.parse(rule)


def test_another_cas_certificate_under_the_same_name_is_nobody(ca: Signer) -> None:
    twin = Signer(ca.certificate, make_authority("x", None, None, utc(china_now()), 9).key)
    der = certificate(twin, [(NameOID.COMMON_NAME, CODE)])
    assert identity_under(der, OutsideIssuer.of(ca.certificate, "subject:CN")) is None


def test_a_leaf_is_no_issuer(ca: Signer) -> None:
    der = certificate(ca, [(NameOID.COMMON_NAME, CODE)])
    with pytest.raises(AuthorityError, match="不是签发机构"):
        OutsideIssuer.of(x509.load_der_x509_certificate(der), "subject:CN")
