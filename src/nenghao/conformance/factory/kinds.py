"""The kinds of factories (工厂类型): which template of `fleet` stands behind which English word."""

from __future__ import annotations

from nenghao.conformance.fleet import SEED, FleetUnit, fleet

KINDS: dict[str, str] = {
    "steel": "电炉钢厂",
    "refinery": "炼油厂",
    "cement": "水泥厂",
    "heating": "供热公司",
    "campus": "学校",
    "hospital": "医院",
    "chemical": "化工厂",
    "paper": "纸浆厂",
    "brewery": "啤酒厂",
    "mine": "矿山",
    "port": "港口",
    "datacenter": "数据中心",
}
"""Kind → Chinese name, in the order of fleet.toml."""


def unit_of(kind: str, seed: int = SEED) -> FleetUnit:
    """The fleet's unit of a kind; KeyError for an unknown one."""
    number = list(KINDS).index(kind) if kind in KINDS else None
    if number is None:
        raise KeyError(kind)
    return fleet(len(KINDS), seed)[number]
