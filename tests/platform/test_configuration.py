"""A configuration upload replaces the device's whole set and comes back as it was sent."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from nenghao.platform import advice, configuration, journal
from nenghao.platform.configuration import ConfigurationResult, ConfiguredItem
from nenghao.platform.registry import Peer
from nenghao.platform.store.schema import configuration as history
from nenghao.platform.store.schema import configured_item, receipt
from nenghao.standard.energy_checks import Check
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages import read, write
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.replies import IllegalFormat
from tests.platform.world import ADDRESS, STEEL, World, sample, unit_code

ELECTRICITY = "00-00-0000-023300-11"


def message(**changes: object) -> dict[str, Any]:
    """The sample of A.4."""
    return sample("uploadConfigData.request", **changes)


def item(**changes: object) -> dict[str, Any]:
    whole: dict[str, Any] = {**message()["collectItemConfig"][0], **changes}
    return {key: value for key, value in whole.items() if value is not ...}


def upload(
    world: World, peer: Peer, sent: dict[str, Any], strict: tuple[AdviceKind, ...] = ()
) -> ConfigurationResult:
    body = json.dumps(sent).encode()
    request = read(ConfigUpload, body)
    with world.store.write() as conn:
        return configuration.upload(
            conn, peer, request, journal.Body.of(body), world.now, ADDRESS, strict
        )


def downloaded(world: World, peer: Peer) -> dict[str, Any]:
    with world.store.read() as conn:
        answer: dict[str, Any] = json.loads(write(configuration.download(conn, peer)))
        return answer


def kinds(world: World) -> set[tuple[AdviceKind | Check, str]]:
    with world.store.read() as conn:
        return {(one.kind, one.subject) for one in advice.kept(conn)}


@pytest.mark.clause("6.3.1.2-h")
@pytest.mark.clause("6.3.4.1-c")
@pytest.mark.clause("6.3.4.1-d")
def test_what_was_uploaded_is_downloaded_with_every_key(world: World) -> None:
    peer, sent = world.peer(), message()
    upload(world, peer, sent)
    told = downloaded(world, peer)
    assert list(told) == [
        "responseCode",
        "responseMessage",
        "collectItemConfig",
        "enterprise",
        "group",
        "process",
        "processUnit",
    ]
    for key in list(told)[2:]:
        assert told[key] == sent[key]
    assert len(told["enterprise"]) == 36
    assert len(told["collectItemConfig"][0]) == 15


@pytest.mark.clause("6.3.1.2-h")
def test_absent_fields_come_back_empty_with_their_keys(world: World) -> None:
    peer = world.peer()
    bare = message(collectItemConfig=[item(name=..., dataValueMax=..., statType=..., scope=...)])
    for key in ("group", "process", "processUnit"):
        del bare[key]
    for key in ("fax", "registerPrincipal", "energyPass"):
        del bare["enterprise"][key]
    upload(world, peer, bare)
    told = downloaded(world, peer)
    (back,) = told["collectItemConfig"]
    assert (back["name"], back["statType"], back["scope"]) == ("", "", None)
    assert (back["dataValueMax"], back["dataValueMin"]) == (None, 0)
    assert told["enterprise"]["fax"] == ""
    assert told["enterprise"]["registerPrincipal"] is None
    assert told["enterprise"]["energyPass"] is None
    assert (told["group"], told["process"], told["processUnit"]) == (None, None, None)


@pytest.mark.clause("6.3.1.2-h")
def test_before_any_upload_the_download_is_a_success_with_nothing_in_it(world: World) -> None:
    assert downloaded(world, world.peer()) == {
        "responseCode": "0",
        "responseMessage": "RECEIVE SUCCESS",
        "collectItemConfig": [],
        "enterprise": None,
        "group": None,
        "process": None,
        "processUnit": None,
    }


def items(world: World, peer: Peer) -> dict[tuple[str, int], list[ConfiguredItem]]:
    with world.store.read() as conn:
        return dict(configuration.configured_items(conn, peer.unit_id))


@pytest.mark.clause("6.3.4.1-c")
def test_an_upload_replaces_the_whole_set_and_what_it_drops_retires(world: World) -> None:
    peer = world.peer()
    coal = item(energyClassCode="01", energyTypeCode="0100")
    upload(world, peer, message(collectItemConfig=[item(), coal]))
    assert set(items(world, peer)) == {(ELECTRICITY, 1), ("00-00-0000-010100-11", 1)}
    world.now += timedelta(days=1)
    done = upload(world, peer, message(collectItemConfig=[coal]))
    assert (done.items, done.retired) == (1, 1)
    assert set(items(world, peer)) == {("00-00-0000-010100-11", 1)}
    retired = world.rows(select(configured_item).where(configured_item.c.retired_at.is_not(None)))
    assert [(row.data_code, row.retired_at) for row in retired] == [(ELECTRICITY, world.now)]
    world.now += timedelta(days=1)
    assert upload(world, peer, message(collectItemConfig=[coal])).retired == 0
    (still,) = world.rows(select(configured_item).where(configured_item.c.retired_at.is_not(None)))
    assert still.retired_at == world.now - timedelta(days=1)
    upload(world, peer, message(collectItemConfig=[item(dataValueMax=5)]))
    assert items(world, peer) == {(ELECTRICITY, 1): [ConfiguredItem(0, 5, 1)]}


def test_the_same_code_at_two_frequencies_is_two_items(world: World) -> None:
    peer = world.peer()
    upload(world, peer, message(collectItemConfig=[item(), item(statType="0", dataValueMax=9)]))
    assert items(world, peer) == {
        (ELECTRICITY, 1): [ConfiguredItem(0, 300000, 1)],
        (ELECTRICITY, 0): [ConfiguredItem(0, 9, 1)],
    }


def test_an_item_without_frequency_stands_for_all_and_without_scope_for_what_its_code_says(
    world: World,
) -> None:
    peer = world.peer()
    upload(
        world, peer, message(collectItemConfig=[item(statType=..., scope=..., processCode="06")])
    )
    known = items(world, peer)
    assert set(known) == {("06-00-0000-023300-11", kind) for kind in range(4)}
    assert {one.scope for group in known.values() for one in group} == {2}


def test_two_devices_of_a_unit_keep_their_own_sets(world: World) -> None:
    one, two = world.peer(STEEL, 1), world.peer(STEEL, 2)
    upload(world, one, message())
    upload(world, two, message(collectItemConfig=[item(dataUsageCode="20")]))
    assert downloaded(world, one)["collectItemConfig"] == [item()]
    assert downloaded(world, two)["collectItemConfig"][0]["dataUsageCode"] == "20"
    assert len(items(world, one)) == 2


def test_every_accepted_upload_is_kept_with_its_receipt(world: World) -> None:
    peer = world.peer()
    first, second = message(), message(collectItemConfig=[item(remark="改")])
    assert upload(world, peer, first).sequence == 1
    assert upload(world, peer, second).sequence == 2
    assert [row.sequence for row in world.rows(select(history))] == [1, 2]
    assert {row.kind for row in world.rows(select(receipt))} == {journal.CONFIGURATION}
    with world.store.read() as conn:
        assert json.loads(journal.body_of(conn, peer.unit_id, 1)) == first


def test_the_industry_is_the_one_told_last(world: World) -> None:
    peer = world.peer()
    with world.store.read() as conn:
        assert configuration.industry_code(conn, peer.unit_id) == ""
    for industry in ("C3120", "C3110"):
        unit = {**message()["enterprise"], "industryCode": industry}
        upload(world, peer, message(enterprise=unit))
    with world.store.read() as conn:
        assert configuration.industry_code(conn, peer.unit_id) == "C3110"


def test_the_sample_of_a4_is_accepted_with_its_oddities_as_findings(world: World) -> None:
    peer = world.peer()
    done = upload(world, peer, message())
    assert kinds(world) == {
        (AdviceKind.CHECK_DIGIT, "91210000573973053F"),
        (AdviceKind.CODE_MISMATCH, "91210000573973053F"),
        (AdviceKind.UNKNOWN_REGION, "410481"),
    }
    assert done.advice == 3


@pytest.mark.clause("B.1.2-1")
@pytest.mark.clause("B.1.4-1")
@pytest.mark.clause("B.4-1")
@pytest.mark.parametrize(
    ("change", "kind", "subject"),
    [
        ({"energyTypeCode": "9999"}, "unknown_energy_type", "00-00-0000-029999-11"),
        ({"energyClassCode": "99"}, "unknown_energy_type", "00-00-0000-993300-11"),
        ({"dataUsageCode": "99"}, "unknown_usage", "00-00-0000-023300-99"),
        ({"processCode": "98", "scope": 2}, "unknown_process", "98-00-0000-023300-11"),
        ({"scope": 3}, "scope_mismatch", ELECTRICITY),
        ({"dataValueMin": 9, "dataValueMax": 8}, "odd_combination", ELECTRICITY),
    ],
)
def test_odd_items_are_findings_about_their_data_code(
    world: World, change: dict[str, Any], kind: str, subject: str
) -> None:
    upload(world, world.peer(), message(collectItemConfig=[item(**change)]))
    assert {(one.value, what) for one, what in kinds(world) if what == subject} == {(kind, subject)}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"industryCode": "C3199"}, "unknown_industry"),
        ({"typeCode": "999"}, "unknown_unit_category"),
        ({"regionCode": "999999"}, "unknown_region"),
    ],
)
def test_odd_units_are_findings_about_the_code(
    world: World, change: dict[str, str], kind: str
) -> None:
    upload(world, world.peer(), message(enterprise={**message()["enterprise"], **change}))
    (subject,) = change.values()
    assert (kind, subject) in {(one.value, what) for one, what in kinds(world)}


def test_an_item_that_stands_twice_is_a_finding_and_the_last_one_counts(world: World) -> None:
    peer = world.peer()
    upload(world, peer, message(collectItemConfig=[item(), item(dataValueMax=7)]))
    assert (AdviceKind.DUPLICATE, ELECTRICITY) in kinds(world)
    assert items(world, peer) == {(ELECTRICITY, 1): [ConfiguredItem(0, 7, 1)]}


def test_a_clean_upload_has_no_findings(world: World) -> None:
    code = unit_code(1)
    unit = {**message()["enterprise"], "code": code, "corporationCode": code}
    unit["regionCode"] = "210102"
    clean = message(enterpriseCode=code, enterprise=unit, process=[], processUnit=[])
    assert upload(world, world.peer(code), clean).advice == 0
    assert kinds(world) == set()


def test_a_strict_kind_refuses_the_upload_and_stores_nothing(world: World) -> None:
    peer = world.peer()
    with pytest.raises(IllegalFormat, match=r'enterprise.regionCode .*"410481"'):
        upload(world, peer, message(), strict=(AdviceKind.UNKNOWN_REGION,))
    assert world.rows(select(history)) == []
    assert world.rows(select(receipt)) == []
    assert items(world, peer) == {}
