"""A small PKI for tests of the wire: our CA, a server, a device, and everybody to be refused."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from nenghao.clock import china_now
from nenghao.security.authority import CertificateAuthority, Issued
from nenghao.security.contexts import client_context, renewing_server_context, server_context
from nenghao.security.credentials import write_credentials, write_server

CODE = "91210000573973053F"
NAME = "鞍山第一钢铁有限公司"
REGION = "210302"


@dataclass(frozen=True)
class Pair:
    """Files of a certificate chain and its key."""

    chain: Path
    key: Path


class Pki:
    """A province's CA in `root`, with a server for 127.0.0.1 and localhost, and one device."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = china_now()
        self.authority = CertificateAuthority.create(root / "ca", self.now)
        self.ca_pem = self.authority.root_file
        issued = self.authority.issue_server(["127.0.0.1", "localhost"], self.now)
        self.server = Pair(*write_server(root / "server", issued))
        self.device_issued = self.issue("device")
        self.device = self.pair("device")

    def issue(self, folder: str, *, device: int = 1, now: datetime | None = None) -> Issued:
        """Issue to a device of the unit and write its credentials into `folder`."""
        issued = self.authority.issue_device(CODE, NAME, REGION, device, now or self.now)
        unit = {"code": CODE, "name": NAME, "region": REGION, "device": device}
        write_credentials(self.root / folder, issued, unit)
        return issued

    def pair(self, folder: str) -> Pair:
        """The files that `issue` wrote into `folder`."""
        return Pair(self.root / folder / "device.pem", self.root / folder / "device.key")

    def expired(self) -> Pair:
        """A device's certificate of ours that ended yesterday."""
        now = self.now - timedelta(days=2)
        issued = self.authority.issue_device(CODE, NAME, REGION, 1, now, days=1)
        write_credentials(self.root / "expired", issued, {})
        return self.pair("expired")

    def foreign(self) -> Pair:
        """A device's certificate with the same names from somebody else's CA."""
        authority = CertificateAuthority.create(self.root / "foreign-ca", self.now)
        issued = authority.issue_device(CODE, NAME, REGION, 1, self.now)
        write_credentials(self.root / "foreign", issued, {})
        return self.pair("foreign")

    def self_signed(self) -> Pair:
        """The right names, signed with its own key."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

        template = x509.load_pem_x509_certificate(self.device_issued.certificate)
        key = load_pem_private_key(self.device_issued.private_key, None)
        builder = (
            x509.CertificateBuilder()
            .subject_name(template.subject)
            .issuer_name(template.subject)
            .public_key(template.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(template.not_valid_before_utc)
            .not_valid_after(template.not_valid_after_utc)
        )
        for extension in template.extensions:
            if not isinstance(extension.value, x509.AuthorityKeyIdentifier):
                builder = builder.add_extension(extension.value, extension.critical)
        certificate = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
        path = self.root / "self-signed.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return Pair(path, self.device.key)

    def server_context(self) -> ssl.SSLContext:
        """A device listener's context."""
        return server_context(self.server.chain, self.server.key, self.authority.client_ca_file)

    def renewing_context(self, failures: list[Exception]) -> ssl.SSLContext:
        """The same, following its files."""
        return renewing_server_context(
            self.server.chain, self.server.key, self.authority.client_ca_file, failures.append
        )

    def client_context(self, pair: Pair | None = None) -> ssl.SSLContext:
        """A device's context, with `pair` instead of the right certificate if given."""
        pair = pair or self.device
        return client_context(self.ca_pem, pair.chain, pair.key)

    def anonymous_context(self) -> ssl.SSLContext:
        """A client that trusts the platform and shows no certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=str(self.ca_pem))
        return context


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = "127.0.0.1"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A handshake in memory; raises what the side that refuses raises. (server, client)."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=host)
    open_sides = [theirs, ours]
    for _ in range(10):
        for side in list(open_sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            open_sides.remove(side)
        if not open_sides:
            return ours, theirs
    raise AssertionError("the handshake does not come to an end")
