"""What the six exchange interfaces of chapter 7 have in common (与其他应用平台的数据传输接口).

Encryption of the messages and checking of the passwords are not done here.
"""

from __future__ import annotations

from typing import Annotated

from nenghao.standard import forms
from nenghao.standard.messages.fields import Message, required


class SecurityParams(Message):
    """User name and password of the application platform that asks."""

    user_name: Annotated[str, required(forms.TEXT)]
    password: Annotated[str, required(forms.TEXT)]


class RegionQuery(Message):
    """A region and all below it; 000000 asks for everything."""

    region_code: Annotated[str, required(forms.REGION_CODE)]


class IndustryQuery(Message):
    """An industry and all below it."""

    industry_code: Annotated[str, required(forms.INDUSTRY_CODE)]
