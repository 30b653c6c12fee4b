"""The one place that reads the wall clock.

Everything below the command line and the web layer takes `now` as a parameter, so that a year
can be simulated in seconds; whoever stands at the edge calls `china_now`.
"""

from datetime import UTC, datetime, timedelta, timezone

CST = timezone(timedelta(hours=8), "CST")
"""China Standard Time (北京时间), UTC+8 without daylight saving."""


def china_now() -> datetime:
    """The present moment in China Standard Time: naive, whole seconds."""
    return datetime.now(UTC).astimezone(CST).replace(tzinfo=None, microsecond=0)


def china_moment() -> datetime:
    """The same to the millisecond, for what is measured rather than scheduled."""
    moment = datetime.now(UTC).astimezone(CST).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
