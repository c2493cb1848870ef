"""The switches: off at first, forced by a script, thrown by seeded dice, counted, and ended by calm."""

import pytest

from tests.loopback.faults import (
    LIST_FAULTS,
    ONLY_FOR,
    REPORT_FAULTS,
    REQUEST_FAULTS,
    STORM,
    Fault,
    Faults,
    RequestName,
)


def test_nothing_strikes_at_first() -> None:
    faults = Faults()
    for name in RequestName:
        assert faults.for_request(name) is None
        assert faults.for_list(name) is None
    assert faults.for_report() is None
    assert not faults.counts


def test_a_script_strikes_the_next_requests_of_its_kind_and_no_other() -> None:
    faults = Faults()
    faults.script(RequestName.PLACE, Fault.LOST_ANSWER, 2)
    assert faults.for_request(RequestName.CANCEL) is None
    struck = [faults.for_request(RequestName.PLACE) for _ in range(3)]
    assert struck == [Fault.LOST_ANSWER, Fault.LOST_ANSWER, None]
    assert faults.counts == {"lost_answer": 2}


def test_a_script_for_a_list_waits_for_the_list() -> None:
    faults = Faults()
    faults.script("open_orders", Fault.STALE_LIST)
    assert faults.for_request(RequestName.OPEN_ORDERS) is None
    assert faults.for_list(RequestName.OPEN_ORDERS) is Fault.STALE_LIST
    assert faults.for_list(RequestName.OPEN_ORDERS) is None


def test_a_script_for_an_unknown_kind_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="expected a request name or 'report', found 'palce'"):
        Faults().script("palce", Fault.LOST_ANSWER)


@pytest.mark.parametrize("fault", ONLY_FOR)
def test_a_fault_of_some_requests_strikes_no_other(fault: Fault) -> None:
    faults = Faults()
    faults.set_chance(fault, 1.0)
    struck = {name for name in RequestName if fault in (faults.for_request(name), faults.for_list(name))}
    assert struck == set(ONLY_FOR[fault])


@pytest.mark.parametrize("fault", REPORT_FAULTS)
def test_a_report_fault_strikes_reports_alone(fault: Fault) -> None:
    faults = Faults()
    faults.set_chance(fault, 1.0)
    assert faults.for_report() is fault
    assert {faults.for_request(name) for name in RequestName} == {None}


def test_one_seed_gives_one_storm() -> None:
    def struck(seed: int) -> list[Fault | None]:
        faults = Faults(seed)
        faults.storm(2.0)
        return [faults.for_request(RequestName.PLACE) for _ in range(300)]

    assert struck(7) == struck(7)
    assert struck(7) != struck(8)


def test_a_storm_brings_every_fault_and_calm_ends_it() -> None:
    faults = Faults(1)
    faults.storm(1.0)
    faults.skew_ms = 5_000
    faults.silent_until_ms = faults.refuse_until_ms = faults.maintenance_until_ms = faults.banned_until_ms = 10**15
    for _ in range(5_000):
        for name in (RequestName.PLACE, RequestName.CANCEL, RequestName.ORDER, RequestName.BALANCES):
            faults.for_request(name)
            faults.for_list(name)
        faults.for_report()
    assert set(faults.counts) == set(STORM) == set(Fault)
    faults.script("report", Fault.DROP_REPORT)
    faults.calm()
    assert faults.for_report() is None
    assert faults.for_request(RequestName.PLACE) is None
    assert faults.skew_ms == 0
    assert faults.silent_until_ms == faults.refuse_until_ms == faults.banned_until_ms == 0
    assert faults.maintenance_until_ms == 0


def test_every_fault_is_of_one_sort() -> None:
    assert sorted((*REQUEST_FAULTS, *LIST_FAULTS, *REPORT_FAULTS)) == sorted(Fault)
