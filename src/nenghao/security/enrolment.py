"""Enrolment by a one-time code (一次性注册码), and the messages of enrolment and renewal.

An operator makes a code for one device of one unit and hands it over; the device makes its key,
asks with the code and gets its certificate. The code holds two things, each 100 bits:

    NH-SSSSS-SSSSS-SSSSS-SSSSS-PPPPP-PPPPP-PPPPP-PPPPP
       the secret               the pin: how the root's SHA-256 begins

By the pin the device knows the platform's root before it trusts it, so that the secret only ever
goes to the right platform. The platform keeps a digest of the secret, never the code. Both sides
of the wire are here; who may enrol is `platform.enrolment`'s business, what a device does with
its certificate `device.enrolment`'s.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from nenghao.security.identity import IdentityError, PeerIdentity, identity_of
from nenghao.security.leaves import PublicKey, spki

ENROL_PATH: Final = "/nenghao/enrol"
ROOT_PATH: Final = "/nenghao/root.pem"
LIST_PATH: Final = "/nenghao/device-ca.crl"
RENEW_PATH: Final = "/nenghao/renew"
"""Paths under a name of our own: none of the standard's can ever collide with them (1-1)."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_HALF = 20
_GROUP = 5


class CodeError(ValueError):
    """This is no enrolment code; the text says why, in Chinese."""


class EnrolmentCode(msgspec.Struct, frozen=True):
    """A one-time code: `secret` for the platform, `pin` for the device."""

    secret: str
    pin: str

    def __repr__(self) -> str:
        return "EnrolmentCode(***)"

    @classmethod
    def fresh(cls, root: bytes) -> EnrolmentCode:
        """A new one, for a platform with this root (PEM)."""
        secret = "".join(secrets.choice(_ALPHABET) for _ in range(_HALF))
        return cls(secret, pin_of(root))

    @classmethod
    def parse(cls, text: str) -> EnrolmentCode:
        """A code as somebody typed it: lower case, blanks and missing dashes are all right."""
        letters = re.sub(r"[\s-]", "", text).upper()
        if not letters.startswith("NH") or len(letters) != 2 + 2 * _HALF:
            raise CodeError("注册码应为 NH- 开头的 40 个字符（每 5 个一组）")
        letters = letters[2:]
        if not set(letters) <= set(_ALPHABET):
            raise CodeError("注册码只含字母 A–Z 和数字 2–7")
        return cls(letters[:_HALF], letters[_HALF:])

    @property
    def text(self) -> str:
        """As it is handed over."""
        letters = self.secret + self.pin
        groups = [letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP)]
        return "-".join(["NH", *groups])

    @property
    def digest(self) -> str:
        """What the platform keeps; 100 random bits need no slow hash."""
        return digest_of(self.secret)


def digest_of(secret: str) -> str:
    """SHA-256 of a code's secret, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def pin_of(root: bytes) -> str:
    """The pin of a root certificate (PEM). Raises ValueError for what is none."""
    der = x509.load_pem_x509_certificate(root).public_bytes(Encoding.DER)
    return base64.b32encode(hashlib.sha256(der).digest()).decode("ascii")[:_HALF]


class EnrolRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST `ENROL_PATH`, without a client certificate."""

    secret: str
    csr: str
    """PKCS#10, PEM."""


class RenewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST `RENEW_PATH`, over mutual TLS with the certificate that is still valid."""

    csr: str


class UnitTold(msgspec.Struct, frozen=True, rename="camel"):
    """The unit of a certificate, as unit.json has it."""

    code: str
    name: str
    region: str
    region_name: str
    device: int


class CertificateAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A certificate handed over, or why not (code of table 1)."""

    response_code: str
    response_message: str
    certificate: str = ""
    """Leaf and issuing CA, PEM."""
    root: str = ""
    unit: UnitTold | None = None
    """At enrolment alone."""
    platform: str = ""
    """The registration address; at enrolment alone."""


class AnswerRefused(Exception):
    """What a platform handed over is not what was asked for; the text says why, in Chinese."""


def check_handed_over(chain: bytes, root: bytes, key_pem: bytes) -> PeerIdentity:
    """That a certificate is for this key, of this root, by its own CAs; whom it names.

    What the device checks before it gives up what it has. Raises AnswerRefused.
    """
    try:
        certificates = x509.load_pem_x509_certificates(chain)
        trusted = x509.load_pem_x509_certificate(root)
        own: PublicKey = load_pem_private_key(key_pem, None).public_key()  # type: ignore[assignment]
        leaf = certificates[0]
        if spki(leaf.public_key()) != spki(own):  # type: ignore[arg-type]
            raise AnswerRefused("平台签发的证书不是给本机密钥的")
        for below, above in zip(certificates, [*certificates[1:], trusted], strict=True):
            below.verify_directly_issued_by(above)
        return identity_of(leaf.public_bytes(Encoding.DER))
    except IdentityError as e:
        raise AnswerRefused(f"平台签发的证书不可用：{e}") from e
    except AnswerRefused:
        raise
    except Exception as e:  # every library's own kinds: whatever it is, nothing is replaced
        raise AnswerRefused("平台签发的证书无法验证") from e
