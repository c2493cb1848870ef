"""The roster: nobody is running before everybody has reported in."""

import anyio
import pytest

from engine.runtime.clock import VirtualClock, run_on
from engine.runtime.health import REPORT_IN_SECONDS_MAX, Roster


def a_roster() -> Roster:
    roster = Roster()
    roster.enlist("journal", "folding its records")
    roster.enlist("grid btc", "the first price of BTC/USDT")
    return roster


def test_parts_are_missing_until_they_report_in_and_say_what_they_wait_for() -> None:
    roster = a_roster()
    assert roster.missing() == ("journal (folding its records)", "grid btc (the first price of BTC/USDT)")
    roster.report_in("journal", "12 records")
    assert roster.missing() == ("grid btc (the first price of BTC/USDT)",)
    assert [(part.name, part.has_reported, part.detail) for part in roster.parts()] == [
        ("journal", True, "12 records"),
        ("grid btc", False, "the first price of BTC/USDT"),
    ]


def test_waiting_ends_with_the_last_report() -> None:
    roster, clock = a_roster(), VirtualClock(start_ms=0)

    async def report_late() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(roster.wait_complete)
            await anyio.sleep(1)
            roster.report_in("journal", "")
            await anyio.sleep(1)
            roster.report_in("grid btc", "")

    run_on(clock, report_late)
    assert clock.now_ms() == 2_000


def test_waiting_for_a_part_that_nobody_started_ends_with_an_error() -> None:
    clock = VirtualClock(start_ms=0)
    with pytest.raises(TimeoutError):
        run_on(clock, a_roster().wait_complete)
    assert clock.now_ms() == REPORT_IN_SECONDS_MAX * 1_000


def test_a_part_that_was_not_enlisted_cannot_report_in() -> None:
    with pytest.raises(KeyError):
        Roster().report_in("stranger", "")
