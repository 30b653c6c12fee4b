"""The partner's side of chapter 7 (其他应用平台): ask a province's platform, sealed and verified.

    from datetime import datetime
    from nenghao.exchange import Client, read_account

    with Client("https://platform:9001", read_account("account.json"), ca="ca.pem") as client:
        months = client.region_data(
            "210000", datetime(2026, 1, 1), datetime(2026, 4, 1), period="month"
        )
        print(months["zhnyxfl"].value)      # 吨标准煤
        projects = client.projects(industry="C25")

`AsyncClient` is the same with `await`. What can go wrong is an `ExchangeError`; docs/exchange has
the envelope for those who write their own client.
"""

from nenghao.exchange.account import Account, AccountError, read_account
from nenghao.exchange.client import AsyncClient, Client
from nenghao.exchange.conversation import (
    Answered,
    ExchangeError,
    Forged,
    Refused,
    Unanswered,
    Unreachable,
)

__all__ = [
    "Account",
    "AccountError",
    "Answered",
    "AsyncClient",
    "Client",
    "ExchangeError",
    "Forged",
    "Refused",
    "Unanswered",
    "Unreachable",
    "read_account",
]
