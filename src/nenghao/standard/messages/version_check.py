"""Check of the platform's versions (平台版本校验接口; 6.2.3, 6.3.3, A.3)."""

from __future__ import annotations

from typing import Annotated

from nenghao.standard import forms
from nenghao.standard.messages.fields import Answer, Message, required


class VersionRequest(Message):
    """A device asks whether anything changed."""

    device_id: Annotated[str, required(forms.DEVICE_ID)]


class VersionAnswer(Answer):
    """Versions are integers as text; a device compares for inequality, not for order."""

    reg_version: Annotated[str, required(forms.VERSION)] = ""
    dic_version: Annotated[str, required(forms.VERSION)] = ""
