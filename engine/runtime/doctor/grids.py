"""The configured grids against the rules of their markets, the account's fees, and its money."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.core.lattice import funds_needed, make_lattice
from engine.core.preflight import preflight
from engine.model.errors import SettingsInvalid
from engine.model.grid import GridSpec
from engine.model.market import Market
from engine.model.money import ZERO, nearest_step, text_from_decimal
from engine.model.preflight import Preflight
from engine.model.risk import RiskSettings
from engine.runtime.doctor.finding import Finding, fail, failed, ok, warning
from engine.runtime.rate_budget import ORDERS_PER_MINUTE

if TYPE_CHECKING:
    from engine.exchange.foreign.exchange import CcxtExchange

_MINUTE_MS = 60_000
_LOOK_BACK_MS = 60 * _MINUTE_MS
_CHANGE = "change the grid; gridwright preflight shows it in figures"


async def look_at_grid(
    exchange: "CcxtExchange", spec: GridSpec, risk: RiskSettings, rest: dict[str, Decimal] | None, *, is_begun: bool
) -> Sequence[Finding]:
    """One grid; ``rest`` is what the account still has, None where that is not known, and loses what the grid takes.

    A grid that ``is_begun`` goes on as the journal has it. Raises what asking raises.
    """
    market = await exchange.fetch_market(spec.symbol)
    check = f"grid {spec.name}"
    if is_begun:
        return [ok(check, f"{_rules(market)}; it goes on from the journal")]
    since_ms = exchange.exchange_ms() - _LOOK_BACK_MS
    candles = await exchange.history.candles(spec.symbol, _MINUTE_MS, since_ms)
    if not candles:
        found = f"{spec.symbol}: expected that it was traded in the last hour, found no candle"
        return [warning(check, found, "see that the market is alive; a grid needs a price to begin")]
    price = nearest_step(candles[-1].close, market.tick_size)
    try:
        lattice = make_lattice(spec, market, price)
        flight = preflight(
            spec,
            market,
            lattice,
            price,
            limits=risk.limits,
            stops=risk.stops,
            requests_per_minute=ORDERS_PER_MINUTE,
            available_quote=None if rest is None else rest.get(market.quote, ZERO),
            available_base=None if rest is None else ZERO if market.swap else rest.get(market.base, ZERO),
        )
    except SettingsInvalid as impossible:
        return failed(check, impossible, _CHANGE)
    if rest is not None:
        funds = funds_needed(spec, market, lattice)
        rest[market.quote] = rest.get(market.quote, ZERO) - funds.quote
        if market.swap is None:
            rest[market.base] = rest.get(market.base, ZERO) - funds.base
    return findings_of(check, flight, _rules(market))


def findings_of(check: str, flight: Preflight, rules: str) -> list[Finding]:
    """What a pre-flight says, as findings."""
    return list(_findings(check, flight, rules))


def _findings(check: str, flight: Preflight, rules: str) -> Iterator[Finding]:
    yield from (fail(check, problem, _CHANGE) for problem in flight.problems)
    yield from (warning(check, text, _CHANGE) for text in flight.warnings)
    if not flight.problems:
        needs = f"{flight.needs_quote:.2f} {flight.quote} and {text_from_decimal(flight.needs_base)} {flight.base}"
        yield ok(check, f"{rules}; needs {needs} at {text_from_decimal(flight.price)}")


def _rules(market: Market) -> str:
    fees = f"maker {market.maker_fee_rate * 100:z.4f}%, taker {market.taker_fee_rate * 100:z.4f}%"
    least = f"{text_from_decimal(market.notional_min)} {market.quote}"
    tick, lot = text_from_decimal(market.tick_size), text_from_decimal(market.lot_size)
    return f"{market.symbol}: tick {tick}, lot {lot}, at least {least}, fees {fees}"
