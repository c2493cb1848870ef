"""The status object of the contract, key by key, and the text for people."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from engine.model.grid import GridState
from engine.model.order import OrderStatus
from engine.model.reconcile import Choice, DiscrepancyKind, Resolution, ViewRow
from engine.model.snapshot import BlockView, EngineState, PartView, SlotStateName
from engine.model.times import time_text
from engine.status import (
    event_from_engine,
    event_text,
    status_from_snapshot,
    status_json,
    status_text,
)
from tests.remote.builders import make_event, make_grid, make_question, make_slot, make_snapshot

DECIMAL = re.compile(r"-?\d+(\.\d+)?")


def test_the_engine_part_has_every_key_of_the_contract() -> None:
    assert status_from_snapshot(make_snapshot(), version="1.2.3")["engine"] == {
        "state": "running",
        "reason": "",
        "mode": "simulation",
        "exchange": "simulated",
        "exchange_id": None,
        "sandbox": False,
        "on_exit": "leave",
        "connection": "connected",
        "time": "2020-03-12T00:00:00.123Z",
        "started": "1970-01-01T00:00:00.000Z",
        "sequence": 42,
        "version": "1.2.3",
        "speed": 60.0,
        "loop_lag_ms": 0.5,
        "parts": [{"name": "journal", "has_reported": True, "detail": ""}],
        "balances": {"USDT": {"free": "9000.1", "locked": "876.443"}},
    }


def test_the_grid_part_has_every_key_of_the_contract() -> None:
    (grid,) = status_from_snapshot(make_snapshot(), version="1")["grids"]
    slots = grid.pop("slots")
    assert grid == {
        "name": "btc",
        "symbol": "BTC/USDT",
        "base": "BTC",
        "quote": "USDT",
        "state": "running",
        "reason": "",
        "price": "1150.5",
        "price_time": "2020-03-12T00:00:00.123Z",
        "anchor": "1150",
        "window": 2,
        "direction": "long",
        "lattice_version": 1,
        "regime": {"name": "unknown", "since": None, "reasons": ["no regime monitor is configured"]},
        "risk": {"limits": [], "stops": [], "blocks": [], "refusals": []},
        "position": None,
        "blocks": [{"what": "entries", "reason": "the price is outside"}],
        "profit": {
            "grid": "1.5",
            "floating": "-0.25",
            "fees": "0.3",
            "total": "1.25",
            "funding": "0",
            "residual": "0",
            "fees_by_currency": {"BTC": "0.0001", "USDT": "0.2"},
        },
        "cash": "9876.543",
        "inventory": "0.123",
        "dust": "0.00000001",
        "invested": "300",
        "cycles": 4,
        "discrepancies": [],
        "foreign_orders": 0,
    }
    assert slots[0] == {
        "index": 0,
        "lower": "1000",
        "upper": "1100",
        "state": "entering",
        "quantity": "0.04",
        "order": {
            "client_order_id": "gabc00e000000001",
            "side": "buy",
            "price": "1000",
            "amount": "0.1",
            "filled": "0.04",
            "status": "partially_filled",
        },
        "frozen": None,
        "cycles": 0,
        "profit": "0",
        "cycle_profit": "1",
        "entry_side": "buy",
    }
    assert (slots[1]["order"], slots[1]["frozen"]) == (None, "by the operator")


def test_an_open_question_has_every_key_of_the_contract() -> None:
    grid = make_grid(questions=(make_question(),), foreign_orders=2)
    (status,) = status_from_snapshot(make_snapshot(grid))["grids"]
    assert status["foreign_orders"] == 2
    assert status["discrepancies"] == [
        {
            "id": "q3",
            "kind": "holding_short",
            "slot": None,
            "client_order_id": None,
            "detail": "the account holds 1, the lots of its grids are 1.5: 0.5 is missing",
            "choices": ["write_off", "query", "halt"],
            "proposed": "write_off",
            "unanswered": "the grid only exits",
            "since": "2020-03-12T00:00:00.123Z",
            "effects": {"write_off": "books 0.5 as lost", "query": "looks again", "halt": "halts the grid"},
            "moves_money": ["write_off"],
            "views": [{"name": "base held", "journal": "1.5", "memory": "1.5", "exchange": "1"}],
        }
    ]


def test_a_question_about_an_order_names_its_slot_and_order() -> None:
    question = make_question(
        kind=DiscrepancyKind.VANISHED_ORDER, slot=0, client_order_id="gabc00e000000001", proposed=Resolution.QUERY
    )
    (status,) = status_from_snapshot(make_snapshot(make_grid(questions=(question,))))["grids"][0]["discrepancies"]
    assert (status["slot"], status["client_order_id"]) == (0, "gabc00e000000001")
    assert (status["kind"], status["proposed"]) == ("vanished_order", "query")


def test_of_many_questions_the_oldest_are_told_in_full_and_the_others_in_one_line_each() -> None:
    grid = make_grid(questions=tuple(make_question(name=f"q{number}") for number in range(1, 14)))
    lines = status_text(make_snapshot(grid)).splitlines()
    at = [line.split()[1] for line in lines if line.startswith("  question ")]
    assert at == [f"q{number}:" for number in range(1, 14)]
    answers = [line.split()[4] for line in lines if "answer with:" in line]
    assert answers == [f"q{number}" for number in range(1, 11)]
    last = lines.index("  question  q13: holding short, since 2020-03-12T00:00:00.123Z")
    assert lines[last - 1].startswith("  question  q12: ")


def test_the_text_lists_the_open_questions_and_how_to_answer_them() -> None:
    order = make_question(
        "q4", kind=DiscrepancyKind.VANISHED_ORDER, slot=0, client_order_id="gabc00e000000001", choices=()
    )
    grid = make_grid(questions=(make_question(), order), foreign_orders=2)
    lines = status_text(make_snapshot(grid), version="1").splitlines()
    assert lines[6:17] == [
        "  foreign   2 orders on the account not ours, left alone",
        "  question  q3: holding short, since 2020-03-12T00:00:00.123Z",
        "            the account holds 1, the lots of its grids are 1.5: 0.5 is missing",
        "            write_off (proposed): books 0.5 as lost",
        "            query: looks again",
        "            halt: halts the grid",
        "            without an answer: the grid only exits",
        "            answer with: gridwright resolve q3 CHOICE --grid btc",
        "  question  q4: vanished order slot 0 order gabc00e000000001, since 2020-03-12T00:00:00.123Z",
        "            the account holds 1, the lots of its grids are 1.5: 0.5 is missing",
        "            without an answer: the grid only exits",
    ]
    assert lines[18] == "  slots     3: 1 empty, 1 entering, 1 holding"


def test_one_order_of_somebody_else_is_one_order() -> None:
    assert "  foreign   1 order on the account" in status_text(make_snapshot(make_grid(foreign_orders=1)), version="1")


def test_before_the_first_price_there_is_none() -> None:
    (grid,) = status_from_snapshot(make_snapshot(make_grid(price=None, anchor=None)))["grids"]
    assert (grid["price"], grid["price_time"], grid["anchor"]) == (None, None, None)


def test_the_words_of_every_state_are_those_of_the_contract() -> None:
    assert [state.value for state in SlotStateName] == ["empty", "entering", "holding", "exiting"]
    assert [state.value for state in OrderStatus] == [
        *("intent", "sent", "unknown", "open", "partially_filled"),
        *("filled", "canceled", "rejected", "expired"),
    ]
    assert [state.value for state in GridState] == [
        *("starting", "running", "paused", "exits_only", "halted", "stopping", "stopped")
    ]


@pytest.mark.parametrize("amount", ["1E+5", "1E-18", "0E-12", "-0.00", "123456789012345.678", "100.00"])
def test_every_amount_is_a_plain_decimal_string_without_loss(amount: str) -> None:
    def amounts(value: Any) -> list[str]:
        return [value["cash"], value["slots"][0]["profit"]]

    grid = make_grid(cash=Decimal(amount), slots=(make_slot(0, profit=Decimal(amount)),))
    for text in amounts(status_from_snapshot(make_snapshot(grid))["grids"][0]):
        assert DECIMAL.fullmatch(text)
        assert Decimal(text) == Decimal(amount)


def test_the_json_is_ascii_and_reads_back_to_the_object() -> None:
    snapshot = make_snapshot(make_grid(symbol="币\x1b/USDT\u202e", state_reason="\ud800"))
    text = status_json(snapshot, version="1")
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == status_from_snapshot(snapshot, version="1")


def test_times_keep_their_milliseconds() -> None:
    assert time_text(1_583_971_200_123) == "2020-03-12T00:00:00.123Z"
    assert time_text(0) == "1970-01-01T00:00:00.000Z"
    assert time_text(9_007_199_254_741) == "2255-06-05T23:47:34.741Z"


def test_the_text_shows_the_money_and_the_slots_around_the_price() -> None:
    lines = status_text(make_snapshot(), version="1.2.3").splitlines()
    assert lines[:7] == [
        "gridwright 1.2.3  SIMULATION  simulated connected  engine running  2020-03-12T00:00:00.123Z",
        "",
        "btc  BTC/USDT  running  price 1150.5",
        "  profit    total 1.25  grid 1.50  floating -0.25  fees 0.30  residual 0 USDT",
        "  holds     0.123 BTC (dust 0.00000001)  cash 9876.54 USDT  cycles 4",
        "  blocked   entries: the price is outside",
        "  slots     3: 1 empty, 1 entering, 1 holding",
    ]
    assert [" ".join(line.split()) for line in lines[7:]] == [
        "slot lower upper state quantity order cycles profit",
        "2 1200 1300 holding 0.083 - 4 1.50",
        "1 1100 1200 empty (frozen) 0 - 0 0.00",
        "0 1000 1100 entering 0.04 buy 0.04/0.1 at 1000 partially_filled 0 0.00",
    ]
    assert len({len(line) for line in lines[7:]}) == 1


def test_a_loss_of_less_than_a_cent_is_no_negative_nothing() -> None:
    grid = make_grid(cash=Decimal("-0.004"))
    assert "cash 0.00 USDT" in status_text(make_snapshot(grid), version="1")


def test_the_text_of_a_large_grid_stays_short() -> None:
    slots = tuple(make_slot(index) for index in range(2000))
    text = status_text(make_snapshot(make_grid(slots=slots, price=Decimal(101_050))), version="1")
    rows = [line.split()[0] for line in text.splitlines()[8:]]
    assert rows == [str(index) for index in range(1006, 993, -1)]


def test_the_text_says_what_a_halted_engine_halted_for_and_what_is_missing() -> None:
    snapshot = make_snapshot(
        make_grid(state=GridState.HALTED, state_reason="the disk is full", slots=(), price=None),
        state=EngineState.HALTED,
        state_reason="the journal failed",
        parts=(PartView(name="prices", has_reported=False, detail="no tick yet"),),
    )
    lines = status_text(snapshot, version="1").splitlines()
    assert lines[1:3] == ["reason: the journal failed", "waiting for prices no tick yet"]
    assert lines[4] == "btc  BTC/USDT  halted (the disk is full)  no price yet"
    assert lines[8] == "  slots     0: none"


def test_no_escape_sequence_reaches_the_terminal() -> None:
    evil = "\x1b]52;c;x\x07\u202e\n"
    question = make_question(
        evil,
        client_order_id=evil,
        detail=evil,
        rows=(ViewRow(name=evil, journal=evil, memory=evil, exchange=evil),),
        choices=(Choice(resolution=Resolution.HALT, effect=evil, moves_money=False),),
        unanswered=evil,
    )
    grid = make_grid(name=evil, symbol=evil, base=evil, quote=evil, state_reason=evil, questions=(question,))
    text = status_text(make_snapshot(grid, exchange=evil, state_reason=evil), version=evil)
    line = event_text(make_event(1, grid=evil, text=evil))
    assert all(letter.isprintable() for letter in (text.replace("\n", "") + line))
    assert "\n" not in line


def test_an_event_is_one_line_for_people_and_one_object_for_programs() -> None:
    event = make_event(7)
    assert event_text(event) == "2020-03-12T00:00:00.123Z info    btc slot 3: event 7"
    assert event_from_engine(event) == {
        "number": 7,
        "time": "2020-03-12T00:00:00.123Z",
        "level": "info",
        "grid": "btc",
        "slot": 3,
        "text": "event 7",
    }


def test_an_event_of_the_engine_itself_has_no_grid_and_no_slot() -> None:
    event = make_event(7, grid="", slot=None)
    assert event_text(event) == "2020-03-12T00:00:00.123Z info    engine: event 7"
    assert (event_from_engine(event)["grid"], event_from_engine(event)["slot"]) == (None, None)


def test_slots_that_are_left_out_are_counted() -> None:
    slots = tuple(
        make_slot(index, lower=Decimal(1000 + 10 * index), upper=Decimal(1010 + 10 * index)) for index in range(20)
    )
    lines = status_text(make_snapshot(make_grid(slots=slots, price=Decimal(1105)))).splitlines()
    (counted,) = (line for line in lines if line.startswith("  slots "))
    assert counted.endswith(" (13 of 20 shown, nearest the price)")
    assert len(lines) - lines.index(counted) - 2 == 13


def test_slots_that_are_refused_for_one_reason_are_one_line() -> None:
    reasons = [
        "slot 7: too much",
        "slot 3: too much",
        "slot 5: 9.5 is too far",
        "slot 6: 10 is too far",
        "slot 4: too much",
        "panic key: pressed",
    ]
    blocks = tuple(BlockView(what="entries", reason=reason) for reason in reasons)
    grid = make_grid(blocks=(*blocks, BlockView(what="slot 9", reason="frozen by wish")), state=GridState.EXITS_ONLY)
    lines = status_text(make_snapshot(grid)).splitlines()
    assert [line for line in lines if line.startswith("  blocked ")] == [
        "  blocked   entries: panic key: pressed",
        "  blocked   slot 9: frozen by wish",
        "  blocked   entries: slots 3-4, 7: too much",
        "  blocked   entries: slots 5-6: 9.5 is too far (the first; the others alike)",
    ]
    assert "  exits only  " in next(line for line in lines if line.startswith("btc "))
