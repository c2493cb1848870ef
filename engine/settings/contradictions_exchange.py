"""The rules between the mode, the exchange and what the grids trade on it, for paper and live trading.

A simulation has a market of its own and reads nothing of ``[exchange]``: nothing there contradicts it.
"""

from collections.abc import Iterator, Sequence

from engine.model.snapshot import Mode
from engine.model.text import clean_text
from engine.settings.facts import GridFacts, Table, table_of, word_of
from engine.settings.problems import Place, Problem, found
from engine.settings.values import MarketType
from engine.settings.words import is_swap


def mode_of(document: Table) -> Mode | None:
    """What the engine is to trade on; None where that is not one of the words."""
    return word_of(table_of(document, "engine"), "mode", Mode, Mode.SIMULATION)


def exchange_contradictions(
    document: Table, grids: Sequence[GridFacts], leaders: Sequence[tuple[Place, str]]
) -> Iterator[Problem]:
    """What a real exchange cannot be asked for; ``leaders`` are symbols that are watched, each with its place."""
    exchange = table_of(document, "exchange")
    if mode_of(document) is Mode.PAPER and exchange.get("sandbox") is True:
        text = (
            "expected false with engine.mode paper, found true: paper trades on the real market's prices "
            "(a sandbox has an account of its own: engine.mode live)"
        )
        yield Problem(place=("exchange", "sandbox"), text=text)
    market_type = word_of(exchange, "market_type", MarketType, MarketType.SPOT)
    if market_type is None:
        return
    traded: list[tuple[Place, str]] = [(("grid", grid.index, "symbol"), grid.symbol) for grid in grids if grid.symbol]
    for place, symbol in (*traded, *leaders):
        if is_swap(symbol) is not (market_type is MarketType.SWAP):
            yield Problem(place=place, text=_other_market(symbol, market_type))


def _other_market(symbol: str, market_type: MarketType) -> str:
    spot, _, _ = symbol.partition(":")
    quote = spot.partition("/")[2]
    match market_type:
        case MarketType.SPOT:
            expected, other = clean_text(spot, 60), MarketType.SWAP
        case MarketType.SWAP:
            expected, other = clean_text(f"{spot}:{quote}", 60), MarketType.SPOT
    return f"expected {expected} on exchange.market_type {market_type}, or market_type {other}, found {found(symbol)}"
