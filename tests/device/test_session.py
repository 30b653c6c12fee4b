"""The session by itself: what it asks for next, given what happened."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from nenghao.device.events import (
    Accept,
    Ask,
    Done,
    Failure,
    Finish,
    Gone,
    Halve,
    NoteFailure,
    Occasion,
    Prepare,
    Prepared,
    Refuse,
    Registered,
    Split,
    Started,
    Step,
    VersionsRead,
    WaitUntil,
    Warn,
    Woken,
)
from nenghao.device.session import CANNOT_SPLIT, NO_CONFIGURATION, next_time_of_day
from tests.device.talk import (
    BROKEN,
    FAULT,
    NOON,
    REFUSED,
    TOO_LARGE,
    UNKNOWN,
    UNREACHABLE,
    UPLOAD,
    Talk,
    at_upload,
    ready,
    registration,
)


@pytest.mark.clause("6.2.1-1")
@pytest.mark.clause("6.2.2-1")
@pytest.mark.clause("6.2.4-1")
@pytest.mark.clause("6.2.1-3")
def test_a_new_device_registers_initialises_and_then_waits_for_its_time() -> None:
    talk = Talk()
    assert talk.asks(Started("c")) is Step.REGISTER
    assert talk.asks(Registered(registration())) is Step.VERSIONS
    assert talk.asks(VersionsRead("1", "7")) is Step.BASE_DATA
    assert talk.asks(Done()) is Step.CONFIGURATION
    assert talk.say(Done()) == [Finish(()), WaitUntil(UPLOAD)]
    assert (talk.state.reg_version, talk.state.dic_version) == ("1", "7")
    assert talk.state.configuration == "c"


@pytest.mark.clause("6.2.1-3")
@pytest.mark.clause("6.2.5-1")
@pytest.mark.clause("6.2.5-5")
def test_at_the_given_time_the_day_is_packed_and_sent_oldest_first() -> None:
    talk = ready()
    talk.now = UPLOAD - timedelta(seconds=1)
    assert talk.say(Woken("c")) == [WaitUntil(UPLOAD)]
    talk.now = UPLOAD
    assert talk.say(Woken("c")) == [Prepare(UPLOAD.date())]
    assert talk.asks(Prepared((4, 7))) is Step.VERSIONS
    assert talk.say(VersionsRead("1", "1")) == [Ask(Step.DATA, 4)]
    assert talk.say(Done()) == [Accept(4), Ask(Step.DATA, 7)]
    assert talk.say(Done()) == [
        Accept(7),
        Finish(()),
        WaitUntil(UPLOAD + timedelta(days=1)),
    ]


@pytest.mark.clause("6.2.1-3")
def test_run_by_hand_before_the_upload_time_yesterday_is_not_due_yet() -> None:
    talk = ready()
    talk.now = UPLOAD - timedelta(seconds=1)
    yesterday = UPLOAD.date() - timedelta(days=1)
    assert talk.say(Occasion("c")) == [Prepare(yesterday)]
    talk.say(Prepared(()), VersionsRead("1", "1"))
    talk.now = UPLOAD
    assert talk.say(Occasion("c")) == [Prepare(UPLOAD.date())]


@pytest.mark.clause("6.2.1-3")
def test_a_new_device_learns_its_upload_time_before_it_packs() -> None:
    talk = Talk()
    talk.now = UPLOAD - timedelta(minutes=1)
    assert talk.asks(Occasion("c")) is Step.REGISTER
    last = talk.say(Registered(registration()))[-1]
    assert last == Prepare(UPLOAD.date() - timedelta(days=1))


@pytest.mark.clause("6.2.5-7")
@pytest.mark.parametrize("failure", [BROKEN, FAULT, UNREACHABLE])
def test_a_failed_batch_is_sent_again_three_times_after_1_5_and_15_minutes(
    failure: Failure,
) -> None:
    talk = at_upload([4])
    assert talk.say(VersionsRead("1", "1")) == [Ask(Step.DATA, 4)]
    for minutes in (1, 5, 15):
        before = talk.now
        note, waiting = talk.say(failure)
        assert note == NoteFailure(4, failure.reason)
        assert waiting == WaitUntil(before + timedelta(minutes=minutes))
        talk.now += timedelta(minutes=minutes)
        assert talk.say(Woken("c")) == [Ask(Step.DATA, 4)]
    note, finish, waiting = talk.say(failure)
    assert note == NoteFailure(4, failure.reason)
    assert finish == Finish((f"采集数据上传：{failure.reason}",))
    assert waiting == WaitUntil(UPLOAD + timedelta(days=1))


@pytest.mark.clause("6.2.5-8")
def test_what_stayed_in_the_queue_goes_first_with_the_next_upload() -> None:
    talk = at_upload([4])
    talk.say(VersionsRead("1", "1"))
    for _ in range(3):
        talk.say(BROKEN)
        talk.wait("c")
    talk.say(BROKEN)
    assert talk.wait("c") == [Prepare(talk.now.date())]
    assert talk.now == UPLOAD + timedelta(days=1)
    talk.say(Prepared((4, 7)))
    assert talk.say(VersionsRead("1", "1")) == [Ask(Step.DATA, 4)]


def test_a_batch_in_trouble_lets_the_next_one_go_unless_nobody_is_there() -> None:
    for failure, following in ((BROKEN, Ask), (FAULT, Ask), (UNREACHABLE, WaitUntil)):
        talk = Talk(ready().state)
        talk.say(Occasion("c"), Prepared((4, 7)), VersionsRead("1", "1"))
        for _ in range(3):
            assert talk.say(failure)[-1] == Ask(Step.DATA, 4)
        last = talk.say(failure)[-1]
        assert isinstance(last, following)
        assert last == Ask(Step.DATA, 7) or following is WaitUntil


def test_a_refused_batch_is_not_sent_again_and_blocks_nobody() -> None:
    talk = at_upload([4, 7])
    talk.say(VersionsRead("1", "1"))
    assert talk.say(REFUSED) == [Refuse(4, REFUSED.reason), Ask(Step.DATA, 7)]
    assert talk.say(Done())[0] == Accept(7)


def test_a_batch_that_is_too_large_is_halved_until_it_cannot_be() -> None:
    talk = at_upload([4, 7])
    talk.say(VersionsRead("1", "1"))
    assert talk.say(TOO_LARGE) == [Halve(4)]
    assert talk.say(Split((8, 9))) == [Ask(Step.DATA, 8)]
    assert talk.say(TOO_LARGE) == [Halve(8)]
    assert talk.say(Split(())) == [Refuse(8, CANNOT_SPLIT), Ask(Step.DATA, 9)]
    assert talk.say(Done()) == [Accept(9), Ask(Step.DATA, 7)]


def test_a_batch_that_an_operator_took_out_is_passed_over() -> None:
    talk = at_upload([4, 7])
    talk.say(VersionsRead("1", "1"))
    assert talk.say(Gone()) == [Ask(Step.DATA, 7)]


@pytest.mark.clause("6.2.3-2")
def test_a_new_registration_version_registers_again_then_base_data_and_configuration() -> None:
    talk = at_upload([4])
    assert talk.asks(VersionsRead("2", "1")) is Step.REGISTER
    assert talk.asks(Registered(registration("03:00:00"))) is Step.BASE_DATA
    assert talk.asks(Done()) is Step.CONFIGURATION
    assert talk.say(Done()) == [Ask(Step.DATA, 4)]
    assert talk.state.reg_version == "2"
    assert talk.say(Done())[-1] == WaitUntil(datetime(2026, 3, 2, 3, 0))


@pytest.mark.clause("6.2.3-2")
def test_a_new_base_data_version_downloads_base_data_again_and_nothing_else() -> None:
    talk = at_upload([4])
    assert talk.asks(VersionsRead("1", "0")) is Step.BASE_DATA
    assert talk.say(Done()) == [Ask(Step.DATA, 4)]
    assert talk.state.dic_version == "0"


@pytest.mark.clause("6.3.3.2-e")
def test_versions_are_checked_at_least_every_24_hours_even_when_the_time_moves() -> None:
    talk = ready()
    checks = [talk.now]
    for day in range(10):
        actions = talk.wait("c")
        if isinstance(actions[-1], Prepare):
            actions = talk.say(Prepared(()))
        assert actions[-1] == Ask(Step.VERSIONS)
        checks.append(talk.now)
        actions = talk.say(VersionsRead(str(1 + day // 3), "1"))
        while isinstance(actions[-1], Ask):
            last = actions[-1]
            moved = registration(f"{(5 * day) % 24:02d}:30:00")
            actions = talk.say(Registered(moved) if last.step is Step.REGISTER else Done())
    gaps = [later - earlier for earlier, later in pairwise(checks)]
    assert max(gaps) <= timedelta(hours=24)


def test_a_failed_version_check_keeps_no_data_back() -> None:
    talk = Talk(ready().state)
    talk.say(Occasion("c"), Prepared((4,)))
    for _ in range(3):
        assert talk.asks(UNREACHABLE) is Step.VERSIONS
    assert talk.say(UNREACHABLE) == [Ask(Step.DATA, 4)]
    actions = talk.say(Done())
    assert actions[0] == Accept(4)
    assert actions[1] == Finish(("版本校验：无法连接",))


def test_where_nobody_answered_the_version_check_only_the_data_is_tried_too() -> None:
    for failure, following in ((UNREACHABLE, Step.DATA), (FAULT, Step.CONFIGURATION)):
        talk = Talk(ready().state)
        talk.say(Occasion("new"), Prepared((4,)))
        for _ in range(3):
            assert talk.asks(failure) is Step.VERSIONS
        assert talk.asks(failure) is following


def test_a_device_without_configuration_warns_and_still_sends_data() -> None:
    talk = at_upload([4], None)
    assert talk.say(VersionsRead("1", "1")) == [Warn(NO_CONFIGURATION), Ask(Step.DATA, 4)]
    assert talk.say(Done())[1] == Finish(())


def test_a_refused_configuration_is_not_sent_again_until_it_changes() -> None:
    talk = Talk(ready().state)
    talk.say(Occasion("new"), Prepared(()))
    assert talk.asks(VersionsRead("1", "1")) is Step.CONFIGURATION
    assert talk.say(REFUSED)[0] == Finish((f"基础信息上传：{REFUSED.reason}",))
    assert talk.state.configuration_reason == REFUSED.reason
    talk.say(Occasion("new"), Prepared(()))
    assert talk.say(VersionsRead("1", "1"))[0] == Finish((f"基础信息上传：{REFUSED.reason}",))
    talk.say(Occasion("newer"), Prepared(()))
    assert talk.asks(VersionsRead("1", "1")) is Step.CONFIGURATION


def test_an_unknown_device_registers_again_and_its_batch_stays_and_goes() -> None:
    talk = at_upload([4])
    talk.say(VersionsRead("1", "1"))
    assert talk.say(UNKNOWN) == [NoteFailure(4, UNKNOWN.reason), Ask(Step.REGISTER)]
    assert talk.asks(Registered(registration())) is Step.BASE_DATA
    assert talk.asks(Done()) is Step.CONFIGURATION
    assert talk.say(Done()) == [Ask(Step.DATA, 4)]
    assert talk.say(Done())[0] == Accept(4)


def test_an_unknown_device_registers_again_at_most_once_in_24_hours() -> None:
    talk = at_upload([4, 7])
    talk.say(VersionsRead("1", "1"), UNKNOWN, Registered(registration()), Done(), Done())
    note, finish, _ = talk.say(UNKNOWN)
    assert note == NoteFailure(4, UNKNOWN.reason)
    assert isinstance(finish, Finish)
    talk.now += timedelta(hours=23)
    talk.say(Occasion("c"), Prepared((4, 7)))
    assert isinstance(talk.say(UNKNOWN)[0], Finish)
    talk.now += timedelta(hours=1)
    talk.say(Occasion("c"), Prepared((4, 7)))
    assert talk.asks(UNKNOWN) is Step.REGISTER


def test_without_registration_nothing_is_sent_and_it_is_tried_again_after_an_hour() -> None:
    talk = Talk()
    assert talk.asks(Occasion("c")) is Step.REGISTER
    for _ in range(3):
        assert talk.asks(FAULT) is Step.REGISTER
    assert talk.say(FAULT) == [Prepare(NOON.date())]
    finish, waiting = talk.say(Prepared((4,)))
    assert finish == Finish((f"注册：{FAULT.reason}",))
    assert waiting == WaitUntil(NOON + timedelta(hours=1))
    assert talk.wait("c") == [Ask(Step.REGISTER)]


def test_a_request_that_a_crash_interrupted_counts_as_an_attempt() -> None:
    talk = at_upload([4])
    talk.say(VersionsRead("1", "1"))
    for minutes in (1, 5, 15):
        again = Talk(talk.state)
        again.now = talk.now
        note, waiting = again.say(Started("c"))
        assert isinstance(note, NoteFailure)
        assert waiting == WaitUntil(again.now + timedelta(minutes=minutes))
        again.now += timedelta(minutes=minutes)
        assert again.say(Woken("c")) == [Ask(Step.DATA, 4)]
        talk = again
    last = Talk(talk.state)
    last.now = talk.now
    assert isinstance(last.say(Started("c"))[1], Finish)


def test_a_pause_goes_on_after_a_restart_and_a_clock_set_back_does_not_stretch_it() -> None:
    talk = at_upload([4])
    talk.say(VersionsRead("1", "1"), BROKEN)
    assert talk.say(Started("c")) == [WaitUntil(UPLOAD + timedelta(minutes=1))]
    talk.now = UPLOAD - timedelta(days=300)
    assert talk.say(Woken("c")) == [WaitUntil(talk.now + timedelta(minutes=15))]


def test_a_clock_that_was_wrong_does_not_put_the_next_upload_off() -> None:
    talk = ready()
    talk.now = datetime(2030, 1, 1, 1, 5)
    talk.say(Woken("c"), Prepared(()))
    talk.say(VersionsRead("1", "1"))
    talk.now = NOON
    assert talk.say(Woken("c")) == [WaitUntil(UPLOAD)]


def test_a_missed_upload_time_is_made_up_at_once() -> None:
    talk = ready()
    talk.now = UPLOAD + timedelta(hours=7)
    assert talk.say(Started("c")) == [Prepare(UPLOAD.date())]


def test_a_long_queue_in_trouble_makes_room_for_the_next_day() -> None:
    talk = at_upload(range(1, 100))
    actions = talk.say(VersionsRead("1", "1"))
    finished: list[datetime] = []
    while talk.now < UPLOAD + timedelta(days=3, hours=2):
        last = actions[-1]
        finished += [talk.now for action in actions if isinstance(action, Finish)]
        if isinstance(last, WaitUntil):
            talk.now = max(talk.now, last.moment)
            actions = talk.say(Woken("c"))
        elif isinstance(last, Prepare):
            actions = talk.say(Prepared(tuple(range(1, 100))))
        else:
            talk.now += timedelta(minutes=2)
            actions = talk.say(BROKEN)
    assert len(finished) == 3
    for number, moment in enumerate(finished, start=1):
        assert UPLOAD <= moment - timedelta(days=number) < UPLOAD + timedelta(hours=1)


def test_an_event_out_of_place_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="nothing is in progress"):
        ready().say(Done())


@pytest.mark.parametrize(
    ("now", "moment"),
    [
        (datetime(2026, 1, 1, 1, 4, 59), datetime(2026, 1, 1, 1, 5)),
        (datetime(2026, 1, 1, 1, 5), datetime(2026, 1, 2, 1, 5)),
        (datetime(2025, 12, 31, 23), datetime(2026, 1, 1, 1, 5)),
    ],
)
def test_the_next_time_of_day_lies_after_now(now: datetime, moment: datetime) -> None:
    assert next_time_of_day(now, "01:05:00") == moment
