"""Everything that takes bytes from outside apart, and which exceptions are its own.

Read by the property tests (`test_decoders`), by the long runs and by atheris (`atheris_run`), which
has an environment of its own: nothing here imports pytest or hypothesis.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from nenghao.device import client, configuration
from nenghao.device.collection import expressions
from nenghao.device.collection import settings as collection
from nenghao.device.home import Unit
from nenghao.device.sources import dlt645_codec, json_path, modbus_registers, mqtt_payload
from nenghao.device.sources import table_file as device_tables
from nenghao.device.urls import BadAddress, read_url
from nenghao.device.web import mapping_file
from nenghao.platform import bulk, chain, dictionary_csv
from nenghao.platform import table_file as platform_tables
from nenghao.platform.store import frames_codec
from nenghao.platform.web.encodings import Arrived, TooLarge, encoding_of
from nenghao.security import envelope, passwords
from nenghao.security.envelope import EnvelopeError
from nenghao.security.identity import IdentityError, identity_of
from nenghao.standard import data_code, periods
from nenghao.standard.messages import energy_data, read
from nenghao.standard.messages.base_data import BaseDataAnswer, BaseDataRequest
from nenghao.standard.messages.codec import DEPTH_LIMIT, is_deeper
from nenghao.standard.messages.config_data import (
    ConfigDownloadAnswer,
    ConfigDownloadRequest,
    ConfigUpload,
)
from nenghao.standard.messages.energy_data import EnergyDownloadAnswer, EnergyDownloadRequest
from nenghao.standard.messages.exchange_interfaces import INTERFACES
from nenghao.standard.messages.registration import RegistrationAnswer, RegistrationRequest
from nenghao.standard.messages.version_check import VersionAnswer, VersionRequest
from nenghao.standard.replies import RequestError
from tests.fuzz.decoder import Decoder, text
from tests.fuzz.trust_decoders import TRUST_DECODERS

SAMPLES = Path(__file__).parents[1] / "standard" / "messages" / "samples"
CODE = "91330000573973053F"
UNIT = Unit(CODE, "示例钢铁", "210102", "和平区")
KEY = bytes(range(16))
HEADER = ("code", "name", "value")


def _message(cls: Any) -> Callable[[bytes], object]:
    return lambda data: read(cls, data)


def _sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


def _meter(data: bytes) -> None:
    decoder = dlt645_codec.Decoder()
    for start in range(0, len(data), 7):
        decoder.feed(data[start : start + 7])
    decoder.silence()


def _registers(data: bytes) -> None:
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2)]
    kinds: tuple[tuple[modbus_registers.DataType, int], ...] = (
        ("int32", 2),
        ("float32", 2),
        ("float64", 4),
        ("bcd32", 2),
    )
    for kind, count in kinds:
        if len(words) >= count:
            with contextlib.suppress(ValueError):
                modbus_registers.decode(kind, "ABCD", words[:count])


def _payload(data: bytes) -> None:
    point = mqtt_payload.MqttPoint(
        name="p", topic="t", each="values", path="v", time_path="t", scale="0.5"
    )
    mqtt_payload.PayloadReader(point).read(mqtt_payload.Payload(data))


def _path(data: bytes) -> None:
    path, _, document = data.partition(b"\n")
    parsed = json_path.JsonPath(path.decode("utf-8", "replace"))
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        return
    parsed.find(value)


def _depth(data: bytes) -> None:
    """The check before reading agrees with what the reader finds."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        is_deeper(data, DEPTH_LIMIT)
        return
    assert is_deeper(data, 3) == (_deepest(value) > 3)


def _deepest(value: Any) -> int:
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [
            inner for one in level for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _answer(data: bytes) -> None:
    client._judge(200, data)
    client._date(data.decode("latin-1"))


def _unpacked(name: str) -> Callable[[bytes], object]:
    def run(data: bytes) -> None:
        arrived = Arrived(data, name)
        arrived.hint(100_000)
        arrived.unpacked(100_000)

    return run


def _envelope(data: bytes) -> object:
    made = envelope.read_request(data)
    return envelope.open_request(made, key=KEY, path="/energyreport/common/getRegionData")


def _answer_envelope(data: bytes) -> object:
    made = envelope.read_answer(data)
    return envelope.open_answer(
        made, key=KEY, kid="k", app_id="a", path="/x", nonce="0" * 32, status=200
    )


def _certificate() -> bytes:
    """A device's certificate, DER, made once; without a CA's folder it is its own issuer."""
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    from nenghao.clock import china_now
    from nenghao.security.identity import unit_urn

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRCN-{CODE}")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(12345)
        .not_valid_before(china_now())
        .not_valid_after(china_now() + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(unit_urn(CODE, 1))]), False
        )
        .sign(key, hashes.SHA256())
    )
    return load_pem_x509_certificate(made.public_bytes(Encoding.PEM)).public_bytes(Encoding.DER)


_REQUESTS: dict[str, tuple[Any, tuple[bytes, ...]]] = {
    "registration": (RegistrationRequest, (_sample("register.request"),)),
    "base data": (BaseDataRequest, ()),
    "versions": (VersionRequest, ()),
    "configuration": (ConfigUpload, ()),
    "configuration download": (ConfigDownloadRequest, ()),
    "data download": (EnergyDownloadRequest, ()),
    "registration answer": (RegistrationAnswer, ()),
    "base data answer": (BaseDataAnswer, ()),
    "versions answer": (VersionAnswer, ()),
    "configuration answer": (ConfigDownloadAnswer, ()),
    "data answer": (EnergyDownloadAnswer, ()),
    **{name: (each.request, ()) for name, each in INTERFACES.items()},
    **{f"{name} answer": (each.answer, ()) for name, each in INTERFACES.items()},
}
_UPLOAD = json.dumps(
    {
        "deviceId": "0" * 32,
        "enterpriseCode": CODE,
        "data": [
            {
                "dataCode": "00-00-0000-013300-11",
                "dataValue": 1.5,
                "inputType": 1,
                "statType": 0,
                "statDate": f"2026-11-21 00:{minute}:00",
                "uploadDate": "2026-11-22 01:00:00",
                "scope": 1,
                "valid": True,
            }
            for minute in (15, 30, 45)
        ],
    }
).encode()

DECODERS: dict[str, Decoder] = {
    **{
        f"message: {name}": Decoder(_message(cls), (RequestError,), seeds)
        for name, (cls, seeds) in _REQUESTS.items()
    },
    "upload": Decoder(energy_data.read_upload, (RequestError,), (_UPLOAD,)),
    "upload by column": Decoder(bulk.read_upload, (RequestError,), (_UPLOAD,)),
    "depth": Decoder(_depth, (), (_UPLOAD, b'{"a":[[[{"b":"["}]]]}')),
    "gzip": Decoder(_unpacked("gzip"), (RequestError, TooLarge)),
    "zstd": Decoder(_unpacked("zstd"), (RequestError, TooLarge)),
    "content encoding": Decoder(text(encoding_of), (RequestError,), (b"gzip", b"zstd")),
    "envelope": Decoder(_envelope, (EnvelopeError,)),
    "answer envelope": Decoder(_answer_envelope, (EnvelopeError,)),
    "certificate": Decoder(identity_of, (IdentityError,), (_certificate(),)),
    "password hash": Decoder(text(lambda text: passwords.is_right(text, "x")), (ValueError,)),
    "frame": Decoder(lambda data: frames_codec.decode([data]), (frames_codec.FrameCorrupt,)),
    "journal body": Decoder(
        lambda data: chain.unpacked("zstd", data, bytes(32), 100), (chain.JournalDamaged,)
    ),
    "base data table": Decoder(
        lambda data: dictionary_csv.read("region", dictionary_csv.decode(data)),
        (dictionary_csv.TableError,),
    ),
    "operator's table": Decoder(
        lambda data: platform_tables.read(data, ".csv", HEADER),
        (platform_tables.FileError,),
        ("code,name,value\n1,甲,2\n".encode(),),
    ),
    "platform's answer": Decoder(_answer, (), (b'{"responseCode":"0","responseMessage":"x"}',)),
    "configuration file": Decoder(lambda data: configuration.check(data, UNIT), (RequestError,)),
    "address": Decoder(text(read_url), (BadAddress,), (b"10.1.2.3:9443/versionCheck",)),
    "DL/T 645": Decoder(
        _meter, (), (bytes.fromhex("fefefefe68010000000000689108333334333333333385 16"),)
    ),
    "Modbus registers": Decoder(_registers, ()),
    "MQTT payload": Decoder(_payload, (), (b'{"values":[{"v":1.5,"t":"2026-11-21 00:15:00"}]}',)),
    "JSON path": Decoder(
        _path, (json_path.BadPath, json_path.NotThere), (b'a[0]["b"]\n{"a":[{"b":1}]}',)
    ),
    "source's table": Decoder(
        lambda data: list(device_tables.csv_rows(data, encoding="", delimiter=",", most_rows=1000)),
        (device_tables.Rejected,),
    ),
    "collection.toml": Decoder(text(collection.parse), (collection.CollectionError,)),
    "mapping file": Decoder(text(mapping_file.items), (mapping_file.MappingError,)),
    "expression": Decoder(text(expressions.parse), (expressions.ExpressionError,), (b"(a+b)*2",)),
    "time": Decoder(text(periods.parse_time), (ValueError,), (b"2026-11-21 00:15:00",)),
    "data code": Decoder(text(data_code.parse), (ValueError,), (b"00-00-0000-013300-11",)),
    **TRUST_DECODERS,
}
