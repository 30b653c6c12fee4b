"""Check of versions (A.3)."""

import pytest

from nenghao.standard.messages import read, write
from nenghao.standard.messages.version_check import VersionAnswer, VersionRequest
from nenghao.standard.replies import IllegalFormat, MissingItem


@pytest.mark.clause("6.3.3.1-1")
@pytest.mark.parametrize("body", [b"{}", b'{"deviceId":null}', b'{"deviceId":" "}'])
def test_the_device_id_is_required(body: bytes) -> None:
    with pytest.raises(MissingItem, match="deviceId 缺失"):
        read(VersionRequest, body)


@pytest.mark.clause("6.3.3.1-1")
@pytest.mark.parametrize("device_id", ["GUID", "0" * 31, "0" * 33])
def test_a_device_id_has_32_characters(device_id: str) -> None:
    with pytest.raises(IllegalFormat, match="deviceId 应为 32 位设备序列号"):
        read(VersionRequest, b'{"deviceId":"%s"}' % device_id.encode())


def test_versions_are_written_as_text() -> None:
    assert write(VersionAnswer(reg_version="125", dic_version="7")) == (
        b'{"responseCode":"0","responseMessage":"RECEIVE SUCCESS",'
        b'"regVersion":"125","dicVersion":"7"}'
    )
