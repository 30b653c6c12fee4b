"""Whom certificates of ours name (证书主体), of whatever key: devices, provinces, servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from nenghao.security.identity import IDENTIFIER_PREFIX, is_province, province_urn, unit_urn
from nenghao.security.names import AuthorityError, checked_name, cut, host_name
from nenghao.standard import credit_code as credit_codes

MAXIMUM_DEVICE = 999_999


class Holder(NamedTuple):
    """Who is to be named."""

    subject: x509.Name
    names: list[x509.GeneralName]
    """The subject alternative names."""
    name: str
    """The unit's full name as it may stand, or the first host."""


def device(credit_code: str, name: str, number: int) -> Holder:
    """Device `number` of a unit; the subject holds what X.520 has room for of its full name.

    Raises AuthorityError for an ill-formed code, a blank name or a number outside 1–999999.
    """
    if not credit_codes.is_form(credit_code):
        raise AuthorityError("统一社会信用代码格式不合法")
    if not 1 <= number <= MAXIMUM_DEVICE:
        raise AuthorityError(f"端设备序号应为 1 至 {MAXIMUM_DEVICE}，收到 {number}")
    name = checked_name(name)
    identifier = x509.NameAttribute(
        NameOID.ORGANIZATION_IDENTIFIER, IDENTIFIER_PREFIX + credit_code
    )
    urn = x509.UniformResourceIdentifier(unit_urn(credit_code, number))
    return Holder(_organization(name, identifier), [urn], name)


def province(region: str, name: str) -> Holder:
    """The platform of province `region`. Raises AuthorityError for a region that is none's."""
    if not is_province(region):
        raise AuthorityError("省级行政区划代码应为两位数字加 0000")
    name = checked_name(name)
    return Holder(_organization(name), [x509.UniformResourceIdentifier(province_urn(region))], name)


def server(hosts: Sequence[str]) -> Holder:
    """A server under names and addresses `hosts`. Raises AuthorityError for none."""
    if not hosts:
        raise AuthorityError("服务器证书至少需要一个主机名或 IP 地址")
    names = [host_name(host) for host in dict.fromkeys(hosts)]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cut(hosts[0], 64))])
    return Holder(subject, names, hosts[0])


def _organization(name: str, *identifiers: x509.NameAttribute[str]) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            # X.520 allows 64 characters of either; cryptography counts CN in bytes.
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:64]),
            *identifiers,
            x509.NameAttribute(NameOID.COMMON_NAME, cut(name, 64)),
        ]
    )
