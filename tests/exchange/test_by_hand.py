"""What the account's owner does on the exchange's own site: foreign orders, cancels, transfers."""

from decimal import Decimal
from pathlib import Path

import anyio
import apsw
import msgspec
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.exchange.port import Balance
from engine.exchange.rate_limit import RateLimit
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import BOOKS_NAME, open_books
from engine.model.errors import OrderNotFound, Rejected, Transient
from engine.model.order import OrderStatus
from tests.exchange.bench import EVERYTHING, Bench
from tests.exchange.simulated_builders import BALANCES, BTC, brief, buy, sell

D = Decimal
OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED


def test_a_foreign_order_takes_effect_now_and_is_told_like_any_other() -> None:
    bench = Bench()

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep_until(1)
        placed = exchange.place_by_hand(buy("mine", "101"))
        assert (bench.clock.now_ms(), placed.at_ms, brief(placed)) == (1_000, 1_000, ("mine", FILLED, "1"))

    bench.run(script)
    assert bench.diary.heard() == [(1_025, "mine", OPEN, "0"), (1_025, "mine", FILLED, "1")]


def test_it_meets_the_price_of_now_although_that_was_quiet() -> None:
    bench = Bench([(0, "100"), (1_000, "105"), (100_000, "105")])

    async def script(exchange: SimulatedExchange) -> None:
        exchange.set_quiet_band(BTC, "grid", EVERYTHING)
        await anyio.sleep_until(1.5)
        assert brief(exchange.place_by_hand(sell("mine", "104"))) == ("mine", FILLED, "1")
        assert exchange.matching.order(BTC, "mine").fills[0].price == D("104.99")

    bench.run(script)


def test_our_order_is_canceled_by_hand_now_and_the_stream_tells_it() -> None:
    bench = Bench()

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("ours", "99"))
        assert brief(exchange.cancel_by_hand(BTC, "ours")) == ("ours", CANCELED, "0")
        with pytest.raises(OrderNotFound):
            await exchange.cancel(BTC, "ours")

    bench.run(script)
    assert bench.diary.heard() == [(50, "ours", OPEN, "0"), (75, "ours", CANCELED, "0")]


def test_neither_limits_nor_bans_hold_for_what_is_done_by_hand_nor_does_it_count() -> None:
    limit = RateLimit(requests_max=1, window_ms=10_000)
    faults = FaultPlan(bans=(Outage(from_ms=0, until_ms=1_000),))
    bench = Bench(options=SimulatedOptions(order_limit=limit, cancel_limit=limit, faults=faults))

    async def script(exchange: SimulatedExchange) -> None:
        for name in ("x", "y"):
            exchange.place_by_hand(buy(name, "90"))
            exchange.cancel_by_hand(BTC, name)
        await anyio.sleep_until(1)
        await exchange.place(buy("ours", "90"))
        with pytest.raises(Transient, match="too many orders"):
            await exchange.place(buy("second", "90"))

    bench.run(script)
    assert [brief(report)[0] for report in bench.exchange.matching.open_orders(BTC)] == ["ours"]


def test_what_the_rules_forbid_is_refused_by_hand_too() -> None:
    exchange = Bench().exchange
    with pytest.raises(Rejected, match="insufficient funds"):
        exchange.place_by_hand(sell("mine", "100", "11"))
    with pytest.raises(OrderNotFound):
        exchange.cancel_by_hand(BTC, "mine")
    with pytest.raises(Rejected, match="expected one of BTC/USDT, found ETH/USDT"):
        exchange.cancel_by_hand("ETH/USDT", "mine")


def test_a_transfer_changes_what_is_free_and_the_books_explain_it() -> None:
    bench = Bench()
    exchange, matching = bench.exchange, bench.exchange.matching
    exchange.place_by_hand(sell("mine", "110", "4"))
    exchange.transfer("BTC", D(-6))
    exchange.transfer("USDT", D("0.5"))
    assert matching.balances() == {
        "BTC": Balance(free=D(0), locked=D(4)),
        "USDT": Balance(free=D("10000.5"), locked=D(0)),
    }
    assert matching.transferred() == {"BTC": D(-6), "USDT": D("0.5")}
    assert matching.totals() == BALANCES


def test_more_than_is_free_cannot_be_taken_away_nor_an_unknown_currency() -> None:
    exchange = Bench().exchange
    exchange.place_by_hand(sell("mine", "110", "4"))
    with pytest.raises(Rejected, match=r"insufficient funds: 6\.001 BTC needed, 6 free"):
        exchange.transfer("BTC", D("-6.001"))
    with pytest.raises(Rejected, match="expected one of BTC, USDT, found ETH"):
        exchange.transfer("ETH", D(1))
    assert exchange.matching.transferred() == {"BTC": D(0), "USDT": D(0)}


def test_a_transfer_outlives_the_process(tmp_path: Path) -> None:
    first = Bench(books=open_books(tmp_path))
    first.exchange.transfer("BTC", D(3))
    first.exchange.close()
    second = Bench(books=open_books(tmp_path))
    assert second.exchange.matching.transferred()["BTC"] == D(3)
    assert second.exchange.matching.balances()["BTC"].free == D(13)
    assert second.exchange.matching.totals() == BALANCES
    second.exchange.close()


def test_books_from_before_there_were_transfers_are_gone_on_with(tmp_path: Path) -> None:
    first = Bench(books=open_books(tmp_path))
    first.exchange.place_by_hand(buy("mine", "90"))
    first.exchange.close()
    with apsw.Connection(str(tmp_path / BOOKS_NAME)) as connection:
        content = msgspec.json.decode(connection.execute("SELECT content FROM state").get)
        del content["matching"]["transferred"]
        connection.execute("UPDATE state SET content = ?", (msgspec.json.encode(content).decode(),))
        connection.execute("DROP INDEX fills_by_time")
    connection.close()
    second = Bench(books=open_books(tmp_path))
    assert second.exchange.matching.transferred() == {"BTC": D(0), "USDT": D(0)}
    assert len(second.exchange.matching.open_orders(BTC)) == 1
    second.exchange.close()
