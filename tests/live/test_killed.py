"""kill -9 of the real program while its orders rest on an exchange: what happened meanwhile is booked once."""

from decimal import Decimal
from pathlib import Path
from random import Random

import anyio
import pytest

from engine.model.snapshot import EngineSnapshot, EngineState
from tests.live.program import LIVE, MARKET, a_place, problems_of
from tests.loopback.server import LoopbackServer, loopback

D = Decimal
PROTOCOLS = ["binance", "bybit"]


def is_whole(snapshot: EngineSnapshot) -> bool:
    """The ladder is out, and nothing is on its way."""
    orders = [slot.order for grid in snapshot.grids for slot in grid.slots if slot.order is not None]
    return (
        snapshot.state is EngineState.RUNNING
        and len(orders) >= 19
        and all(order.status.value in ("open", "partially_filled") for order in orders)
    )


def live_on_without_it(server: LoopbackServer, dice: Random) -> None:
    """What an exchange does while nobody listens: fills, a fill in part, and an order cancelled by its owner."""
    venue = server.venue
    price = D(60_000) - dice.randrange(4, 12) * 100
    venue.print_trade(MARKET, price)
    highest = max(order.price for order in venue.open_orders(MARKET) if order.side.value == "buy" and order.price)
    venue.print_trade(MARKET, highest, D("0.001"))
    victim = dice.choice([order for order in venue.open_orders(MARKET) if order.side.value == "buy"][:5])
    venue.cancel(MARKET, order_id=victim.order_id)


async def kill_and_compare(protocol: str, folder: Path, *, kills: int, seed: int) -> None:
    dice = Random(seed)
    async with loopback(protocol, seed=seed) as server:
        place = a_place(server, folder)
        for _ in range(kills):
            with place.start(*LIVE) as running:
                await running.wait_for(is_whole)
                running.process.kill()
                await anyio.to_thread.run_sync(running.process.wait)
            live_on_without_it(server, dice)
        with place.start(*LIVE) as running:
            await running.wait_for(is_whole)
            end = await anyio.to_thread.run_sync(running.end)
        assert end.code == 0, end.err
        assert problems_of(place, server) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_whatever_happened_to_orders_of_a_killed_engine_is_booked_once(protocol: str, tmp_path: Path) -> None:
    await kill_and_compare(protocol, tmp_path, kills=1, seed=3)


@pytest.mark.hunt
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_same_over_many_kills(protocol: str, seed: int, tmp_path: Path) -> None:
    await kill_and_compare(protocol, tmp_path, kills=5, seed=seed)
