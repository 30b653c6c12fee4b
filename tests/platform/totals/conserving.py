"""What the tests of conservation share: how many cases, and what conservation is."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.platform.totals.scenes import Period

Sums = dict[tuple[Period, str, str], list[int]]


def cases(number: int) -> settings:
    return settings(
        deadline=None,
        max_examples=number,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def conserved(sums: Sums, period: Period, everything: list[int]) -> None:
    """Σ counties = Σ cities = Σ provinces = Σ industry subtrees = Σ base, for one period.

    With the counties go units that gave no more than a city, with the industries those that gave
    none.
    """
    rows = {(region, of): row for (its, region, of), row in sums.items() if its == period}
    base = {cell: row for cell, row in rows.items() if not cell[0].endswith("*")}
    regions = {region[:-1]: row for (region, industry), row in rows.items() if industry == "*"}
    industries = {industry[:-1]: row for (region, industry), row in rows.items() if region == "*"}
    in_cities = [row for (region, _), row in base.items() if region.endswith("00")]
    in_none = [row for (_, industry), row in base.items() if not industry]
    for level in (
        list(base.values()),
        [regions[""]],
        [row for digits, row in regions.items() if len(digits) == 2],
        [row for digits, row in regions.items() if len(digits) == 4],
        [row for digits, row in regions.items() if len(digits) == 6] + in_cities,
        [row for letters, row in industries.items() if len(letters) == 1] + in_none,
        [row for letters, row in industries.items() if len(letters) == 3] + in_none,
    ):
        assert [sum(column) for column in zip(*level, strict=True)] == everything
