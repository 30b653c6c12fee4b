"""Outside issuers (外部签发机构): CAs that are not ours and whose certificates we take.

Each comes with a rule that says where its certificates hold the credit code:

| rule | the code stands in |
|---|---|
| `subject:NAME` | an attribute of the subject: `organizationIdentifier`, `CN`, `OU`, `O`, `serialNumber`, `UID`, `title`, or any OID |
| `extension:OID` | an extension, such as 1.2.156.10260.4.1.4 of Chinese CAs |
| `san:uri`, `san:dns` | a subject alternative name |

each optionally followed by `:PREFIX`, what stands before the code, as in
`subject:organizationIdentifier:NTRCN-`. What stands there must be the prefix and the code, whole
and once: a rule never searches. Only a certificate that the issuer itself signed counts as its
own, whatever a chain leads to.
"""  # noqa: E501 - a table

from __future__ import annotations

import hashlib
from functools import lru_cache

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from nenghao.security.identity import IdentityError, PeerIdentity, identity_with
from nenghao.security.leaves import UNREADABLE
from nenghao.security.leaves import pem as pem_of
from nenghao.security.names import AuthorityError
from nenghao.security.requests import RequestRefused, checked_key
from nenghao.standard import credit_code as credit_codes

OUR_RULE = "subject:organizationIdentifier:NTRCN-"
CHINESE_RULE = "extension:1.2.156.10260.4.1.4"
_ATTRIBUTES = {
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "CN": NameOID.COMMON_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "UID": NameOID.USER_ID,
    "title": NameOID.TITLE,
}
_ALTERNATIVES: dict[str, type[x509.UniformResourceIdentifier] | type[x509.DNSName]] = {
    "uri": x509.UniformResourceIdentifier,
    "dns": x509.DNSName,
}
_TEXT_TAGS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x1E: "utf-16-be"}
_OCTETS = 0x04


class RuleError(AuthorityError):
    """A rule that says nothing; the text says why, in Chinese."""


class Rule(msgspec.Struct, frozen=True):
    """Where an issuer's certificates hold the credit code; `parse` reads its text."""

    kind: str
    field: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Raises RuleError."""
        kind, _, rest = text.partition(":")
        field, _, prefix = rest.partition(":")
        if kind == "subject" and field in _ATTRIBUTES:
            return cls(kind, field, prefix)
        if kind == "san" and field in _ALTERNATIVES:
            return cls(kind, field, prefix)
        if kind in ("subject", "extension"):
            try:
                ObjectIdentifier(field)
            except ValueError:
                raise RuleError(f"规则 {text!r} 中的 {field!r} 不是已知的名称或 OID") from None
            return cls(kind, field, prefix)
        raise RuleError(
            f"规则 {text!r} 应为 subject:名称或OID、extension:OID、san:uri 或 san:dns，"
            "其后可加 :前缀"
        )

    def code_of(self, certificate: x509.Certificate) -> str:
        """The credit code of a certificate. Raises IdentityError."""
        try:
            values = self._values(certificate)
        except UNREADABLE as e:
            raise IdentityError("证书无法解析") from e
        where = f"{self.kind}:{self.field}"
        if len(values) != 1:
            many = "有多个" if values else "没有"
            raise IdentityError(f"证书中{many} {where}")
        code = values[0].removeprefix(self.prefix)
        if not values[0].startswith(self.prefix) or not credit_codes.is_form(code):
            raise IdentityError(f"证书的 {where} 不是{self.prefix and f' {self.prefix} 加'}"
                                "统一社会信用代码")  # fmt: skip
        return code

    def _values(self, certificate: x509.Certificate) -> list[str]:
        if self.kind == "subject":
            oid = _ATTRIBUTES.get(self.field) or ObjectIdentifier(self.field)
            return [str(one.value) for one in certificate.subject.get_attributes_for_oid(oid)]
        if self.kind == "san":
            names = [
                one.value
                for one in certificate.extensions
                if isinstance(one.value, x509.SubjectAlternativeName)
            ]
            found = [name.get_values_for_type(_ALTERNATIVES[self.field]) for name in names]
            texts = [str(one) for listed in found for one in listed]
            # others of the same type are usual; those with the prefix are meant
            return [one for one in texts if one.startswith(self.prefix)]
        return [
            _text(one.value.value)
            for one in certificate.extensions
            if one.oid.dotted_string == self.field
            and isinstance(one.value, x509.UnrecognizedExtension)
        ]


class OutsideIssuer(msgspec.Struct, frozen=True):
    """An outside CA that is trusted for devices."""

    fingerprint: str
    """SHA-256 of its certificate, hex."""
    pem: bytes
    rule: str

    @classmethod
    def of(cls, certificate: x509.Certificate, rule: str) -> OutsideIssuer:
        """A CA with its rule. Raises AuthorityError: it is none, its key is weak, no rule."""
        Rule.parse(rule)
        try:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
            is_ca = constraints.value.ca
            checked_key(certificate.public_key())
            name_digest(certificate.subject)
        except x509.ExtensionNotFound:
            is_ca = False
        except UNREADABLE as e:
            raise AuthorityError("签发机构证书无法解析") from e
        except RequestRefused as e:
            raise AuthorityError(f"签发机构证书不可用：{e}") from e
        if not is_ca:
            raise AuthorityError("这不是签发机构（CA）的证书")
        return cls(fingerprint_of(certificate), pem_of(certificate), rule)


def read_certificate(data: bytes) -> x509.Certificate:
    """The one certificate of a PEM file, an issuer's. Raises AuthorityError."""
    try:
        found = x509.load_pem_x509_certificates(data)
    except UNREADABLE:
        raise AuthorityError("不是 PEM 格式的证书") from None
    if len(found) != 1:
        raise AuthorityError("应只含一个证书，即直接签发端设备证书的 CA 的证书")
    return found[0]


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, lower-case hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def name_digest(name: x509.Name) -> str:
    """By this the issuers of a certificate are looked up; a name alone proves nothing."""
    return hashlib.sha256(name.public_bytes()).hexdigest()


@lru_cache(maxsize=8192)
def issuer_name_of(der: bytes) -> str:
    """`name_digest` of a certificate's issuer. Raises IdentityError."""
    try:
        return name_digest(x509.load_der_x509_certificate(der).issuer)
    except UNREADABLE as e:
        raise IdentityError("证书无法解析") from e


@lru_cache(maxsize=8192)
def identity_under(der: bytes, issuer: OutsideIssuer) -> PeerIdentity | None:
    """Whom a certificate names by the rule of its issuer; None if that one did not sign it.

    Raises IdentityError when it did, and the certificate names no unit.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
    except UNREADABLE as e:
        raise IdentityError("证书无法解析") from e
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(issuer.pem))
    except (InvalidSignature, *UNREADABLE):
        return None
    code = Rule.parse(issuer.rule).code_of(certificate)
    return identity_with(certificate, der, code, issuer.fingerprint)


def _text(value: bytes) -> str:
    """The text of an extension: a DER string, one within an OCTET STRING, or bare ASCII."""
    tag = value[0] if value else 0
    if len(value) >= 2 and value[1] < 0x80 and value[1] == len(value) - 2:
        if tag == _OCTETS:
            return _text(value[2:])
        if tag in _TEXT_TAGS:
            return value[2:].decode(_TEXT_TAGS[tag])
    return value.decode("ascii")
