"""Everything that a bad exchange on a bad line has ever done, at once; afterwards books and exchange are equal."""

import os
import random
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from engine.model.snapshot import EngineState
from engine.runtime.engine import Engine
from tests.live.bench import a_live_spec, assert_alone, settled, started, trading
from tests.loopback.faults import Fault
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue import NewOrder, Side, VenueOptions

D = Decimal
FOREIGN = "by-hand-1"
LOW, HIGH = D(55_000), D(65_000)


async def storm(server: LoopbackServer, engine: Engine, seconds: float, seed: int) -> None:
    """The market wanders through the grid while everything goes wrong."""
    dice = random.Random(seed)
    price = D(60_000)
    server.faults.storm()
    if server.protocol.name == "bybit":
        # It names no end of a ban, and by its pages that is ten minutes: longer than anybody waits here.
        server.faults.set_chance(Fault.BAN, 0)
    with anyio.move_on_after(seconds):
        while engine.state is EngineState.RUNNING:
            price = min(max(price + dice.randrange(-40_000, 40_001) * D("0.01"), LOW), HIGH)
            server.venue.print_trade("BTCUSDT", price)
            match dice.randrange(400):
                case 0:
                    server.cut()
                    server.faults.refuse_until_ms = server.now_ms() + dice.randrange(3_000)
                case 1:
                    server.disconnect()
                case 2:
                    server.faults.silent_until_ms = server.now_ms() + dice.randrange(8_000)
                case 3:
                    server.faults.skew_ms = dice.randrange(-4_000, 4_000)
                case _:
                    pass
            await anyio.sleep(0.05)
    server.faults.calm()


@pytest.mark.parametrize("protocol", ["binance", "bybit"])
@pytest.mark.parametrize(
    "seconds", [20, pytest.param(120, marks=pytest.mark.hunt), pytest.param(600, marks=pytest.mark.soak)]
)
async def test_after_a_storm_books_and_exchange_are_equal_and_the_foreign_order_lives(
    protocol: str, seconds: int, tmp_path: Path
) -> None:
    seed = int(os.environ.get("GRIDWRIGHT_STORM_SEED", "1"))
    async with loopback(protocol, seed=seed) as server:
        server.venue.options = VenueOptions(
            duplicates=server.venue.options.duplicates,
            post_only=server.venue.options.post_only,
            partial_fill_chance=0.3,
        )
        server.venue.place(
            NewOrder(market="BTCUSDT", side=Side.BUY, amount=D("0.01"), price=D(50_000), client_id=FOREIGN)
        )
        async with trading(server, tmp_path, a_live_spec()) as engine:
            await started(engine)
            await storm(server, engine, seconds, seed)
            assert engine.state is EngineState.RUNNING, engine.state_reason
            await settled(engine, server)
            assert_alone(server)
            assert [order.client_id for order in server.venue.open_orders() if order.client_id == FOREIGN] == [FOREIGN]
            assert sum(server.faults.counts.values()) > 0
            assert len(server.venue.trades()) > 0
            print(_figures(server))


def _figures(server: LoopbackServer) -> str:
    """What the storm was like; ``pytest -s`` shows it."""
    faults = ", ".join(f"{count} {name}" for name, count in server.faults.counts.most_common())
    venue = server.venue
    return f"{len(server.requests)} requests, {len(venue.orders())} orders, {len(venue.trades())} fills; {faults}"
