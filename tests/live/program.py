"""The real program in a process of its own, trading live on a loopback exchange of this test."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import tomli_w

from engine.model.money import ZERO
from tests.loopback.server import LoopbackServer
from tests.loopback.venue import OrderStatus
from tests.program import Place
from tests.sim.kill_truths import folded_from

LIVE = ("run", "--headless", "--yes-live")
KEYS_NAME = "keys.toml"
MARKET, SYMBOL = "BTCUSDT", "BTC/USDT"
_OPEN = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


def config_of(server: LoopbackServer, *, mode: str = "live", slots: int = 40) -> str:
    """A configuration file that trades on this server with its keys."""
    document = {
        "engine": {"mode": mode, "reconcile_seconds": 5},
        "exchange": {
            "id": server.protocol.name,
            "keys": f"file:{KEYS_NAME}",
            "ccxt": {**server.ccxt_options(), "timeout": 3_000},
        },
        "simulation": {"quote": 100_000},
        "grid": [
            {
                "name": "live",
                "symbol": SYMBOL,
                "spacing": "arithmetic",
                "lower": 54_000,
                "upper": 66_000,
                "slots": slots,
                "base_per_slot": "0.002",
                "window": slots,
                "initial_purchase": "none",
            }
        ],
    }
    return tomli_w.dumps(document)


def a_place(server: LoopbackServer, folder: Path, *, mode: str = "live") -> Place:
    """A folder with the configuration and the keys, in which the program can be run."""
    place = Place(folder, config_of(server, mode=mode))
    keys = folder / KEYS_NAME
    keys.touch(mode=0o600)
    keys.write_text(tomli_w.dumps({"api_key": server.api_key, "secret": server.secret}))
    return place


def problems_of(place: Place, server: LoopbackServer) -> list[str]:
    """What the journal of an engine that has ended says otherwise than the exchange."""
    folded = folded_from(place.state)
    own = [order for order in server.venue.orders(MARKET) if order.client_id in folded.intended]
    executed = Counter((order.client_id, fill.price, fill.amount, fill.fee) for order in own for fill in order.fills)
    booked: Counter[tuple[str, Decimal, Decimal, Decimal]] = Counter()
    for (name, told), count in folded.booked.items():
        booked[name, told.price, told.amount, told.fee] += count
    found = list(folded.trouble)
    if booked != executed:
        found.append(f"booked and not executed {booked - executed}, executed and not booked {executed - booked}")
    books = folded.books["live"]
    base = cash = ZERO
    for fill in (fill for order in own for fill in order.fills):
        sign = Decimal(1 if fill.side.value == "buy" else -1)
        base += sign * fill.amount - (fill.fee if fill.fee_currency == "BTC" else ZERO)
        cash -= sign * fill.amount * fill.price + (fill.fee if fill.fee_currency == "USDT" else ZERO)
    if (books.ledger.base, books.ledger.cash) != (base, cash):
        found.append(f"ledger {books.ledger.base} {books.ledger.cash}, exchange {base} {cash}")
    live, there = sorted(books.slot_of_order), sorted(order.client_id for order in own if order.status in _OPEN)
    if live != there:
        found.append(f"live in the books {live}, on the exchange {there}")
    return found
