"""Paper trading on the public side of a real protocol: the client library without keys, on a loopback server."""

from decimal import Decimal
from pathlib import Path

import anyio

from engine.exchange.ccxt_exchange import CcxtExchange, CcxtOptions, open_ccxt
from engine.exchange.paper import PaperExchange, PaperOptions, PublicFeed, open_paper
from engine.model.market import MarketKind
from engine.model.order import OrderStatus
from engine.model.snapshot import Connection
from tests.exchange.contract.harness import START_BALANCES
from tests.exchange.contract.recorder import Recorder
from tests.exchange.simulated_builders import BTC, buy
from tests.loopback.scene import wall_ms
from tests.loopback.server import LoopbackServer, loopback

D = Decimal
FILLED, OPEN = OrderStatus.FILLED, OrderStatus.OPEN


def a_client(server: LoopbackServer) -> CcxtExchange:
    """The library without keys."""
    return open_ccxt(
        CcxtOptions(
            exchange_id="binance",
            market_type=MarketKind.SPOT,
            is_sandbox=False,
            keys=None,
            ccxt=server.ccxt_options(),
            symbols=[BTC],
            now_ms=wall_ms,
        )
    )


def a_paper_exchange(feed: PublicFeed, folder: Path) -> PaperExchange:
    return open_paper(
        PaperOptions(feed=feed, symbols=[BTC], balances=START_BALANCES, now_ms=wall_ms, folder=folder, latency_ms=1)
    )


async def test_live_trades_fill_and_those_of_a_break_and_of_a_restart_are_not_missed(tmp_path: Path) -> None:
    async with loopback("binance") as server:
        client = a_client(server)
        await client.open()
        recorder = Recorder(patience_seconds=20)
        exchange = a_paper_exchange(client, tmp_path)
        async with anyio.create_task_group() as tasks:
            await tasks.start(exchange.run, recorder)
            await exchange.place(buy("live", "59000", "0.01"))
            server.venue.print_trade("BTCUSDT", D(58_900))
            report = await recorder.until_status("live", FILLED)
            assert [(fill.price, fill.fee, fill.fee_currency) for fill in report.fills] == [
                (D(59_000), D("0.00001"), "BTC")
            ]
            await exchange.place(buy("break", "57000", "0.01"))
            server.faults.refuse_until_ms = wall_ms() + 3_600_000
            server.disconnect()
            await recorder.until_connection(Connection.DISCONNECTED)
            server.venue.print_trade("BTCUSDT", D(56_900))
            server.venue.print_trade("BTCUSDT", D(58_000))
            server.faults.refuse_until_ms = 0
            await recorder.until_connection(Connection.DISCONNECTED, Connection.CONNECTED)
            assert (await exchange.fetch_order(BTC, "break")).status is FILLED
            await exchange.place(buy("restart", "55000", "0.01"))
            tasks.cancel_scope.cancel()
        await exchange.close()
        server.venue.print_trade("BTCUSDT", D(54_900))
        server.venue.print_trade("BTCUSDT", D(58_000))
        exchange, recorder = a_paper_exchange(client, tmp_path), Recorder(patience_seconds=20)
        async with anyio.create_task_group() as tasks:
            await tasks.start(exchange.run, recorder)
            assert (await exchange.fetch_order(BTC, "restart")).status is FILLED
            assert [price for _, price, _ in recorder.prices] == [D(58_000)]
            assert not any("not known" in notice for notice in recorder.notices)
            tasks.cancel_scope.cancel()
        await exchange.close()
        await client.close()
        assert server.venue.orders() == []
        assert not any("X-MBX-APIKEY".lower() in line.headers for line in server.requests)
