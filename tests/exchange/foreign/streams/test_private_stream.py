"""What the library keeps of the account, told once: merged, changed in place, late, doubled and foreign updates."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from ccxt.async_support.base.ws.cache import ArrayCacheBySymbolById

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.desks.order_desk import OrderDesk
from engine.exchange.foreign.desks.order_index import KnownOrder, OrderIndex
from engine.exchange.foreign.streams.private_stream import PrivateStream
from engine.exchange.foreign.words.orders import client_id_of, report_from_foreign
from engine.model.order import Fill, OrderReport, OrderStatus, Side
from tests.builders import a_market
from tests.exchange.foreign.raw_builders import Raw, a_raw_order, a_raw_trade

D = Decimal
MARKET = a_market(symbol="BTC/USDT")


class Bench:
    """A private stream on the library's own caches, and what it told."""

    def __init__(self) -> None:
        self.orders = ArrayCacheBySymbolById(1000)
        self.trades = ArrayCacheBySymbolById(1000)
        self.told: list[OrderReport] = []
        self.index = OrderIndex()
        self.read = 0
        client = SimpleNamespace(orders=self.orders, myTrades=self.trades)
        self.stream = PrivateStream(
            cast("ForeignClient", client),
            orders=cast("OrderDesk", self),
            index=self.index,
            markets={"BTC/USDT": MARKET},
            tell=self.told.append,
        )

    def report_of(self, raw: Raw, symbol: str, fills: list[Fill]) -> OrderReport | None:
        self.read += 1
        return report_from_foreign(raw, MARKET, client_order_id=client_id_of(raw), fills=fills, now_ms=0)

    def learn_from_trade(self, raw: Raw, symbol: str, order_id: str) -> None:
        """Nothing is known of it."""

    def order(self, **changes: Any) -> None:
        self.orders.append(a_raw_order(**changes))

    def trade(self, **changes: Any) -> None:
        self.trades.append(a_raw_trade(**changes))

    def looked(self) -> list[tuple[str, OrderStatus, str, list[str]]]:
        """Look, and what was told since the last time."""
        before = len(self.told)
        self.stream.look()
        return [
            (each.client_order_id, each.status, str(each.filled.normalize()), [fill.trade_id for fill in each.fills])
            for each in self.told[before:]
        ]


def test_rel_13_all_that_came_at_once_is_told_and_each_once() -> None:
    bench = Bench()
    for number in range(5):
        bench.order(id=str(number), clientOrderId=f"g{number}")
    assert [name for name, *_ in bench.looked()] == ["g0", "g1", "g2", "g3", "g4"]
    assert bench.looked() == []


def test_rel_13_an_order_that_the_library_changes_in_place_is_told_again() -> None:
    bench = Bench()
    bench.order()
    bench.looked()
    bench.order(id="78", clientOrderId="gother")
    bench.order(status="closed", filled=2.0)
    bench.order(id="78", clientOrderId="gother")
    assert bench.looked() == [
        ("gabc00e00000000x", OrderStatus.FILLED, "2", []),
        ("gother", OrderStatus.OPEN, "0", []),
    ]


def test_rel_05_executions_go_with_the_report_of_their_order() -> None:
    bench = Bench()
    bench.trade(id="1")
    bench.trade(id="2")
    bench.order(filled=1.0)
    assert bench.looked() == [("gabc00e00000000x", OrderStatus.PARTIALLY_FILLED, "1", ["1", "2"])]


def test_rel_10_an_order_that_is_executed_in_full_is_filled_though_the_word_of_its_end_is_lost() -> None:
    bench = Bench()
    bench.index.learn(
        KnownOrder(
            client_order_id="gone",
            order_id="77",
            symbol="BTC/USDT",
            side=Side.BUY,
            price=Decimal(100),
            amount=Decimal(2),
        )
    )
    bench.trade(id="1", order="77", amount=1.5)
    assert [(status, filled) for _, status, filled, _ in bench.looked()] == [(OrderStatus.PARTIALLY_FILLED, "1.5")]
    bench.trade(id="2", order="77", amount=0.5)
    assert [(status, filled) for _, status, filled, _ in bench.looked()] == [(OrderStatus.FILLED, "2")]


def test_rel_07_a_doubled_execution_is_told_once() -> None:
    bench = Bench()
    bench.order(filled=0.5)
    bench.trade(id="1")
    assert [ids for *_, ids in bench.looked()] == [["1"]]
    bench.trade(id="1")
    assert bench.looked() == []
    assert bench.stream.take([a_raw_trade(id="1")]) == 0


def test_rel_08_one_trade_id_on_two_orders_is_two_executions() -> None:
    bench = Bench()
    bench.order(filled=0.5)
    bench.order(id="78", clientOrderId="gother", filled=0.5)
    bench.trade(id="1")
    bench.looked()
    bench.trades.append(a_raw_trade(id="1x"))
    assert bench.stream.take([a_raw_trade(id="1", order="78")]) == 1


def test_orders_and_executions_of_other_markets_cost_nothing_when_looked_at_again() -> None:
    bench = Bench()
    for number in range(200):
        bench.order(symbol="XRP/USDT", id=str(number))
        bench.trade(symbol="XRP/USDT", id=str(number), order=str(number))
    assert bench.looked() == []
    looked = []

    def is_told(raw: Raw) -> bool:
        looked.append(raw)
        return True

    bench.stream.is_told = is_told  # type: ignore[method-assign,assignment]
    bench.stream.look()
    assert len(looked) == 64


def test_an_order_without_id_or_with_an_unknown_word_does_not_stand_in_the_way_of_others() -> None:
    bench = Bench()
    bench.orders._deque.append({"symbol": "BTC/USDT", "id": None})
    bench.orders._deque.append("no order at all")
    bench.order()
    assert [name for name, *_ in bench.looked()] == ["gabc00e00000000x"]


def test_no_update_is_told_twice_over_ten_thousand_of_them_and_memory_is_bounded() -> None:
    bench = Bench()
    for number in range(10_000):
        bench.order(id=str(number), clientOrderId=f"g{number}")
        if number % 7 == 0:
            bench.stream.look()
    bench.stream.look()
    assert len(bench.told) == bench.read == 10_000
    assert len(bench.stream._told_orders) <= 50_000
