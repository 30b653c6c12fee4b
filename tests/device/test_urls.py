from __future__ import annotations

import pytest

from nenghao.device.urls import BadAddress, read_url


@pytest.mark.clause("5.3-1")
@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("10.1.2.3:9443/uploadEnergyData", "https://10.1.2.3:9443/uploadEnergyData"),
        ("https://10.1.2.3:9443/versionCheck", "https://10.1.2.3:9443/versionCheck"),
        ("HTTPS://platform.test", "https://platform.test"),
        ("  platform.test:443  ", "https://platform.test:443"),
        ("[::1]:9443/x", "https://[::1]:9443/x"),
    ],
)
def test_an_address_without_a_scheme_means_https(text: str, url: str) -> None:
    assert read_url(text) == url


@pytest.mark.clause("5.3-1")
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("http://10.1.2.3/uploadEnergyData", "https"),
        ("HTTP://10.1.2.3", "https"),
        ("ftp://10.1.2.3", "https"),
        ("", "为空"),
        ("https://", "缺少主机"),
        ("host:99999/x", "不合法"),
        ("host:0/x", "不合法"),
        ("user:word@host/x", "用户名"),
        ("host/x#y", "#"),
        ("ho st/x", "空白"),
        ("host\x00/x", "控制字符"),
        ("[::1/x", "不合法"),
    ],
)
def test_what_is_no_https_address_is_refused_with_the_reason(text: str, word: str) -> None:
    with pytest.raises(BadAddress, match=word):
        read_url(text)
