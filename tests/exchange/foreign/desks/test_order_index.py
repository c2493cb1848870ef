"""What orders are called, both ways, and the executions told of them: bounded, and each once."""

from dataclasses import replace

import pytest

from engine.exchange.foreign.desks import order_index
from engine.exchange.foreign.desks.order_index import KnownOrder, OrderIndex
from engine.model.order import Fill, Side
from tests.exchange.foreign.desk_bench import BTC, D

KNOWN = KnownOrder(client_order_id="ours", order_id="77", symbol=BTC, side=Side.BUY, price=D(100), amount=D(2))
FILL = Fill(trade_id="1", price=D(100), amount=D(1), fee=D(0), fee_currency="USDT", is_maker=True, at_ms=5)


def test_an_order_is_found_by_both_of_its_names_on_its_own_symbol_alone() -> None:
    index = OrderIndex()
    index.learn(KNOWN)
    assert index.by_order_id(BTC, "77") == KNOWN
    assert index.by_order_id("ETH/USDT", "77") is None
    assert index.order_id_of("ours") == "77"


def test_the_oldest_order_is_forgotten_with_both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_index, "REMEMBERED_MAX", 2)
    index = OrderIndex()
    for number in range(3):
        index.learn(replace(KNOWN, order_id=str(number), client_order_id=f"ours{number}"))
    assert (index.by_order_id(BTC, "0"), index.order_id_of("ours0")) == (None, None)
    assert index.order_id_of("ours2") == "2"


def test_an_order_that_got_another_id_keeps_it_when_the_first_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_index, "REMEMBERED_MAX", 2)
    index = OrderIndex()
    index.learn(KNOWN)
    index.learn(replace(KNOWN, order_id="78"))
    index.learn(replace(KNOWN, order_id="79", client_order_id="another"))
    assert index.order_id_of("ours") == "78"


def test_rel_07_an_execution_is_remembered_once_and_told_by_time() -> None:
    index = OrderIndex()
    assert index.add_fill(BTC, "77", replace(FILL, trade_id="2", at_ms=9))
    assert index.add_fill(BTC, "77", FILL)
    assert not index.add_fill(BTC, "77", FILL)
    assert [fill.trade_id for fill in index.fills_of(BTC, "77")] == ["1", "2"]


def test_rel_08_the_same_execution_id_on_another_order_is_another_execution() -> None:
    index = OrderIndex()
    assert index.add_fill(BTC, "77", FILL)
    assert index.add_fill(BTC, "78", FILL)
    assert index.add_fill("ETH/USDT", "77", FILL)
