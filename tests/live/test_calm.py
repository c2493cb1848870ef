"""One engine on each protocol on a quiet day: it opens, fills, takes profit, restarts, and everything is equal."""

from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.grid import Direction
from tests.live.bench import a_live_spec, assert_alone, live_orders, settled, started, trading, until
from tests.loopback.server import loopback

D = Decimal
PROTOCOLS = ["binance", "bybit"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_grid_trades_cycles_and_its_books_are_the_exchanges(protocol: str, tmp_path: Path) -> None:
    async with loopback(protocol) as server, trading(server, tmp_path, a_live_spec()) as engine:
        await started(engine)
        await until(lambda: len(server.venue.open_orders("BTCUSDT")) >= 20, what="twenty entries below the price")
        for price in ("59350", "60050", "59650", "60650"):
            server.venue.print_trade("BTCUSDT", D(price))
            await settled(engine, server)
        assert_alone(server)
        assert sum(slot.cycles for slot in engine.coordinators["live"].books.slots) > 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_restarted_engine_books_what_happened_meanwhile_once(protocol: str, tmp_path: Path) -> None:
    async with loopback(protocol) as server:
        async with trading(server, tmp_path, a_live_spec()) as engine:
            await started(engine)
            await until(lambda: len(live_orders(engine)) >= 20, what="twenty live orders")
            await settled(engine, server)
        server.venue.print_trade("BTCUSDT", D("59350"))
        cancelled = server.venue.open_orders("BTCUSDT")[0]
        server.venue.cancel("BTCUSDT", order_id=cancelled.order_id)
        async with trading(server, tmp_path, a_live_spec()) as engine:
            await started(engine)
            await settled(engine, server)
            assert_alone(server)


async def test_a_swap_grid_trades_on_bybit_and_its_position_is_the_exchanges(tmp_path: Path) -> None:
    spec = a_live_spec(symbol="BTC/USDT:USDT", leverage=D(3), direction=Direction.NEUTRAL)
    async with loopback("bybit") as server, trading(server, tmp_path, spec) as engine:
        await started(engine)
        await until(lambda: len(live_orders(engine)) >= 38, what="a ladder on both sides")
        for price in ("59350", "60350", "59650", "60950"):
            server.venue.print_trade("BTCUSDT.P", D(price))
            await settled(engine, server)
        assert_alone(server)
        held = engine.coordinators["live"].books.ledger.base
        assert held == server.venue.position("BTCUSDT.P").size
        paid = server.venue.settle_funding("BTCUSDT.P", D("0.0001"))
        await engine._reconcile_now()
        await until(lambda: engine.coordinators["live"].books.ledger.funding != 0, what="funding that is booked")
        assert engine.coordinators["live"].books.ledger.funding == paid.amount


async def test_what_an_exchange_cannot_do_is_said_at_the_start_with_what_is_done_instead(tmp_path: Path) -> None:
    async with loopback("binance") as server, trading(server, tmp_path, a_live_spec()) as engine:
        await started(engine)
        told = [event.text for event in engine.story.after(-1, 200)]
    switch = "binance does not have: dead man's switch; instead: orders stay on the book when the line is lost"
    assert told.count(switch) == 1
