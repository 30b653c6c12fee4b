"""Registration of an end device (端设备注册接口; 6.2.1, 6.3.1, A.1)."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from nenghao.standard import forms
from nenghao.standard.messages.fields import Answer, Message, required


class RegistrationRequest(Message):
    """What a device says about its unit (用能单位) when it registers."""

    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]
    enterprise_name: Annotated[str, required(forms.TEXT)]
    region: Annotated[str, required(forms.REGION_CODE)]
    region_name: Annotated[str, required(forms.TEXT)]


class RegistrationAnswer(Answer):
    """The device's serial number, six URLs and the time of day to upload at (HH:MM:SS).

    URLs stand as the platform wrote them; one without a scheme means https.
    """

    device_id: Annotated[str, required(forms.DEVICE_ID)] = ""
    load_config_url: Annotated[str, required(forms.TEXT)] = field(default="", name="loadConfigURL")
    load_dic_version_url: Annotated[str, required(forms.TEXT)] = field(
        default="", name="loadDicVersionURL"
    )
    center_info_url: Annotated[str, required(forms.TEXT)] = field(default="", name="centerInfoURL")
    center_data_url: Annotated[str, required(forms.TEXT)] = field(default="", name="centerDataURL")
    center_info_download_url: Annotated[str, required(forms.TEXT)] = field(
        default="", name="centerInfoDownloadURL"
    )
    center_data_download_url: Annotated[str, required(forms.TEXT)] = field(
        default="", name="centerDataDownloadURL"
    )
    upload_time: Annotated[str, required(forms.CLOCK)] = ""
