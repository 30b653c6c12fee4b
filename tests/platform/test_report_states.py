"""Monthly forms in the console: drafts, submitted, returned, accepted; in force is the accepted."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from sqlalchemy import insert, select

from nenghao.platform import (
    audit,
    companies,
    report_cells,
    report_log,
    report_states,
    reports,
    reports_blank,
    reports_excel,
    reports_template,
)
from nenghao.platform.permissions import Role
from nenghao.platform.registry import Peer
from nenghao.platform.report_cells import Cell, Judged
from nenghao.platform.report_log import Act, Report, State
from nenghao.platform.report_states import ReportStateError
from nenghao.platform.reports_form import FormError
from nenghao.platform.sessions import NotPermitted, Session
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store import schema
from nenghao.standard.energy_checks import Check
from nenghao.standard.findings import AdviceKind
from tests.platform import energy as uploads
from tests.platform.staff import at_work
from tests.platform.test_reports_excel import form, row
from tests.platform.world import STEEL, World, unit_code

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""For what the database has no part in."""

OTHER = unit_code(2)
MONTH = "2026-10"
SETTINGS = PlatformSettings()
POWER = "023300"
GOOD = {POWER: {"10": "12.5", "20": "12.5"}}

pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture(autouse=True)
def units(world: World) -> None:
    """Two registered units."""
    with world.store.write() as conn:
        for code in (STEEL, OTHER):
            told = {"name": "某厂", "region": "210102", "region_name": "某区"}
            times = {"registered_at": world.now, "updated_at": world.now}
            conn.execute(insert(schema.unit).values(code=code, **told, **times))
            query = select(schema.unit.c.id).where(schema.unit.c.code == code)
            companies.registered(conn, conn.execute(query).scalar_one())


@pytest.fixture
def clerk(world: World) -> Session:
    return at_work(world.store, "clerk", Role.CLERK)


@pytest.fixture
def own(world: World) -> Session:
    """The user of the unit STEEL."""
    return at_work(world.store, "factory", Role.UNIT)


def held(world: World, code: str = STEEL, month: str = MONTH) -> Report:
    with world.store.read() as conn:
        found = report_log.find(conn, code, month)
    assert found is not None
    return found


def save(world: World, who: Session, cells: Any = GOOD, version: int = 0, code: str = STEEL) -> int:
    with audit.acting(who.actor, "10.9.9.9"):
        return report_states.save(world.store, who, code, MONTH, cells, version, world.now)


def submit(
    world: World, who: Session, cells: Any = GOOD, version: int = 0, code: str = STEEL
) -> int:
    with audit.acting(who.actor, "10.9.9.9"):
        return report_states.submit(
            world.store, SETTINGS, who, code, MONTH, cells, version, world.now
        )


def accept(world: World, who: Session, version: int, settings: Any = SETTINGS) -> Any:
    with audit.acting(who.actor, "10.9.9.9"):
        return report_states.accept(
            world.store, settings, who, STEEL, MONTH, "数据无误", version, world.now
        )


def send_back(world: World, who: Session, version: int, remark: str = "请核对电力") -> int:
    with audit.acting(who.actor, "10.9.9.9"):
        return report_states.send_back(world.store, who, STEEL, MONTH, remark, version, world.now)


def in_force(world: World, code: str = STEEL) -> dict[str, float]:
    query = select(schema.unit.c.id).where(schema.unit.c.code == code)
    ((unit_id,),) = world.rows(query)
    peer = Peer(unit_id, code, 1, "某厂", "210102")
    records = uploads.fetch(world.store, peer, stat_type=2).data
    return {one.data_code[11:]: one.data_value for one in records if one.valid}


def audited(world: World) -> list[tuple[str, str, str]]:
    with world.store.read() as conn:
        return [(one.actor, one.action, one.result) for one in audit.entries(conn)]


class TestADraft:
    """Is kept as it was typed, and in force for nobody."""

    def test_is_kept_and_nothing_is_in_force(self, world: World, own: Session) -> None:
        save(world, own, {POWER: {"10": " 12.5 ", "20": "abc", "21": " "}})
        kept = held(world)
        assert kept.state is State.DRAFT
        assert kept.cells == {POWER: {"10": "12.5", "20": "abc"}}
        assert kept.changed_by == own.actor
        assert in_force(world) == {}
        assert audited(world)[0] == (own.actor, "reports.save", "ok")

    @SQLITE
    def test_is_not_overwritten_by_who_has_not_seen_it(self, world: World, own: Session) -> None:
        save(world, own)
        with pytest.raises(ReportStateError, match="已被改动"):
            save(world, own, {POWER: {"10": "1"}}, version=0)
        assert held(world).cells == GOOD

    @SQLITE
    def test_of_another_unit_is_refused_and_recorded(self, world: World, own: Session) -> None:
        with pytest.raises(NotPermitted):
            save(world, own, code=OTHER)
        assert held(world, OTHER).state is None
        assert audited(world)[0] == (own.actor, "permission", "refused")

    @SQLITE
    def test_of_a_month_that_has_not_begun_is_refused(self, world: World, own: Session) -> None:
        with pytest.raises(ReportStateError, match="还没有开始"):
            report_states.save(world.store, own, STEEL, "2026-12", GOOD, 0, world.now)

    @SQLITE
    def test_beyond_all_measure_is_refused(self, world: World, own: Session) -> None:
        with pytest.raises(ReportStateError, match="过多"):
            save(world, own, {POWER: {"10": "1" * report_states.MOST_BYTES}})

    @SQLITE
    def test_of_no_unit_is_refused(self, world: World, clerk: Session) -> None:
        with pytest.raises(ReportStateError, match="没有注册过"):
            save(world, clerk, code=unit_code(9))


class TestSubmitting:
    """Hands a form that is right to the office; from then on it stands still."""

    def test_waits_for_the_office_and_is_not_in_force(self, world: World, own: Session) -> None:
        submit(world, own)
        assert held(world).state is State.SUBMITTED
        assert in_force(world) == {}
        with pytest.raises(ReportStateError, match="待审核"):
            save(world, own, version=1)

    @SQLITE
    @pytest.mark.parametrize(
        ("cells", "said"),
        [
            ({POWER: {"10": "1,200"}}, "电力 10 .*应为数值"),
            ({POWER: {"99": "1"}}, "不填报这一用途"),
            ({"029999": {"10": "1"}}, "没有这个能源品种"),
            ({POWER: {"10": "1" * 41}}, "至多 40"),
            ({POWER: {"10": "  "}}, "没有填写任何数值"),
        ],
    )
    def test_of_what_is_wrong_is_refused_by_field(
        self, world: World, own: Session, cells: Any, said: str
    ) -> None:
        with pytest.raises(FormError, match=said):
            submit(world, own, cells)
        assert held(world).state is None

    @SQLITE
    def test_can_be_taken_back(self, world: World, own: Session) -> None:
        version = submit(world, own)
        report_states.withdraw(world.store, own, STEEL, MONTH, version, world.now)
        assert held(world).state is State.DRAFT
        assert held(world).cells == GOOD


class TestAccepting:
    """Brings the values into force in the transaction that changes the state."""

    def test_brings_the_values_into_force_with_a_receipt(
        self, world: World, own: Session, clerk: Session
    ) -> None:
        version = submit(world, own)
        done = accept(world, clerk, version)
        kept = held(world)
        assert (kept.state, kept.remark) == (State.ACCEPTED, "数据无误")
        assert (kept.taken_at, kept.sequence) == (world.now, done.result.sequence)
        assert in_force(world) == {f"{POWER}-10": 12.5, f"{POWER}-20": 12.5}
        assert audited(world)[0] == (clerk.actor, "reports.accept", "ok")

    @SQLITE
    def test_is_not_for_a_units_user(self, world: World, own: Session) -> None:
        version = submit(world, own)
        for attempt in (accept, send_back):
            with pytest.raises(NotPermitted, match="接受、退回"):
                attempt(world, own, version)
            assert audited(world)[0] == (own.actor, "permission", "refused")
        assert held(world).state is State.SUBMITTED
        assert in_force(world) == {}

    def test_of_what_has_changed_meanwhile_changes_nothing(
        self, world: World, own: Session, clerk: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is withdrawn after the operator's look and before his transaction."""
        version = submit(world, own)
        taking = reports.take

        def late(*given: Any, **more: Any) -> Any:
            report_states.withdraw(world.store, own, STEEL, MONTH, version, world.now)
            return taking(*given, **more)

        monkeypatch.setattr(reports, "take", late)
        with pytest.raises(ReportStateError, match="已被改动"):
            accept(world, clerk, version)
        assert held(world).state is State.DRAFT
        assert in_force(world) == {}

    @SQLITE
    def test_keeps_what_the_checks_find(self, world: World, own: Session, clerk: Session) -> None:
        version = submit(world, own, {POWER: {"20": "1", "21": "2"}})
        done = accept(world, clerk, version)
        assert [one.kind for one in done.findings] == [Check.CONSUMPTION_PARTS]

    @SQLITE
    def test_goes_by_the_strict_settings_of_that_moment(
        self, world: World, own: Session, clerk: Session
    ) -> None:
        version = submit(world, own, {POWER: {"10": "-1"}})
        with pytest.raises(FormError, match=r"电力 10 .*负"):
            accept(world, clerk, version, PlatformSettings(strict=(AdviceKind.NEGATIVE,)))
        assert held(world).state is State.SUBMITTED

    @SQLITE
    def test_can_be_followed_by_a_correction(
        self, world: World, own: Session, clerk: Session
    ) -> None:
        version = submit(world, own)
        accept(world, clerk, version)
        version = save(world, own, {POWER: {"10": "13", "20": "作废"}}, version + 1)
        assert held(world).state is State.DRAFT
        assert in_force(world)[f"{POWER}-10"] == 12.5
        version = submit(world, own, held(world).cells, version)
        accept(world, clerk, version)
        assert in_force(world) == {f"{POWER}-10": 13.0}
        with world.store.read() as conn:
            steps = report_log.history(conn, held(world).unit_id, MONTH)
        assert [one.act for one in steps] == [Act.ACCEPT, Act.SUBMIT, Act.ACCEPT, Act.SUBMIT]


class TestReturning:
    """Says why, and leaves in force what is."""

    @SQLITE
    def test_tells_the_unit_why(self, world: World, own: Session, clerk: Session) -> None:
        version = send_back(world, clerk, submit(world, own))
        assert (held(world).state, held(world).remark) == (State.RETURNED, "请核对电力")
        version = save(world, own, GOOD, version)
        assert held(world).state is State.RETURNED
        assert submit(world, own, GOOD, version) == version + 1

    @SQLITE
    def test_without_a_reason_is_refused(self, world: World, own: Session, clerk: Session) -> None:
        version = submit(world, own)
        with pytest.raises(ReportStateError, match="原因"):
            send_back(world, clerk, version, " ")
        with pytest.raises(ReportStateError, match="至多"):
            send_back(world, clerk, version, "字" * 501)

    @SQLITE
    def test_of_an_accepted_form_leaves_its_values(
        self, world: World, own: Session, clerk: Session
    ) -> None:
        version = submit(world, own)
        accept(world, clerk, version)
        send_back(world, clerk, version + 1)
        assert held(world).state is State.RETURNED
        assert in_force(world)[f"{POWER}-10"] == 12.5


class TestAnOperatorsFile:
    """Is in force at once."""

    def take(self, world: World) -> None:
        told = reports_excel.filled(form(row({"10": 7}, STEEL)))._replace(month=MONTH)
        reports.take(world.store, SETTINGS, told, world.now, "f.xlsx")

    def test_counts_as_accepted(self, world: World) -> None:
        self.take(world)
        kept = held(world)
        assert (kept.state, kept.taken_at) == (State.ACCEPTED, world.now)
        assert in_force(world) == {f"{POWER}-10": 7.0}

    @SQLITE
    def test_leaves_a_form_that_somebody_works_on(self, world: World, own: Session) -> None:
        save(world, own)
        self.take(world)
        assert (held(world).state, held(world).cells) == (State.DRAFT, GOOD)
        assert held(world).taken_at == world.now

    @SQLITE
    def test_is_not_for_a_units_user(self, world: World, own: Session) -> None:
        with pytest.raises(NotPermitted):
            report_states.import_file(
                world.store, SETTINGS, own, b"", "f.xlsx", world.now, lambda *_: None
            )

    @SQLITE
    def test_can_be_called_off_until_it_is_in(self, world: World, clerk: Session) -> None:
        content = workbook(world, POWER, "7")

        class CalledOff(Exception):
            pass

        def at(done: int, total: int, _text: str) -> None:
            if total and done == total:
                raise CalledOff

        with pytest.raises(CalledOff):
            report_states.import_file(
                world.store, SETTINGS, clerk, content, "f.xlsx", world.now, at
            )
        assert held(world).state is None
        assert in_force(world) == {}
        report_states.import_file(
            world.store, SETTINGS, clerk, content, "f.xlsx", world.now, lambda *_: None
        )
        assert in_force(world) == {f"{POWER}-10": 7.0}


def workbook(world: World, kind: str, value: str) -> bytes:
    """The unit's template with one cell filled."""
    with world.store.read() as conn:
        blank = reports_blank.form(conn, SETTINGS, MONTH, [STEEL])
    book = openpyxl.load_workbook(io.BytesIO(reports_template.write(blank)))
    sheet = book["填报"]
    for cells in sheet.iter_rows(min_row=5):
        if cells[2].value == kind:
            cells[5].value = value
            break
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@SQLITE
class TestWhatOneTypes:
    """Is held against what the import goes by."""

    def judge(self, world: World, cells: Any, settings: Any = SETTINGS) -> Judged:
        kept = held(world)
        peer = report_cells.peer_of(kept.unit_id, kept.code, kept.name)
        with world.store.read() as conn:
            sheet = report_cells.sheet(conn, settings, peer, MONTH, world.now)
        return report_cells.judge(sheet, cells, world.now)

    def test_of_nothing_there_is_nothing_to_say(self, world: World) -> None:
        judged = self.judge(world, {})
        assert (judged.problems, judged.hints, judged.findings) == ({}, {}, [])

    def test_says_by_field_what_is_wrong_or_odd(self, world: World) -> None:
        judged = self.judge(world, {POWER: {"10": "=1+1", "20": "-3", "21": "0"}})
        assert list(judged.problems) == [Cell(POWER, "10")]
        assert "应为数值" in judged.problems[Cell(POWER, "10")]
        assert list(judged.hints) == [Cell(POWER, "20")]
        assert judged.hints[Cell(POWER, "20")] == "数值为负"

    def test_checks_the_month_as_it_would_then_stand(self, world: World) -> None:
        told = reports_excel.filled(form(row({"20": 5}, STEEL)))._replace(month=MONTH)
        reports.take(world.store, SETTINGS, told, world.now)
        found = self.judge(world, {POWER: {"21": "6"}}).findings
        assert [one.kind for one in found] == [Check.CONSUMPTION_PARTS]
        assert self.judge(world, {POWER: {"21": "6", "20": "作废"}}).findings == []

    def test_is_refused_where_a_setting_is_strict(self, world: World) -> None:
        strict = PlatformSettings(strict=(AdviceKind.NEGATIVE,))
        judged = self.judge(world, {POWER: {"20": "-3"}}, strict)
        assert list(judged.problems) == [Cell(POWER, "20")]
        assert judged.hints == {}

    def test_can_come_from_a_workbook_of_that_unit_and_month(self, world: World) -> None:
        told = reports_excel.read(workbook(world, POWER, "7.50"))
        assert report_cells.typed(told, STEEL, MONTH) == {POWER: {"10": "7.5"}}
        with pytest.raises(FormError, match="2026-09"):
            report_cells.typed(told, STEEL, "2026-09")
        with pytest.raises(FormError, match="其他单位"):
            report_cells.typed(told, OTHER, MONTH)
