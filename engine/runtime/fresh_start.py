"""What a fresh start of a simulated configuration would be and would refuse, said without an engine.

Nothing is opened for writing, and the state folder is not looked at: a grid that runs already, or an account
that has traded, is the running engine's to tell of.
"""

from collections.abc import Iterator
from decimal import Decimal

from engine.core.costs import NO_FUNDS, Funds
from engine.core.lattice import funds_needed, make_lattice
from engine.core.preflight import preflight
from engine.core.risk import grid_problems
from engine.core.sizing import slots_of
from engine.core.suggest import Suggestion, suggest
from engine.exchange.candles import newest_candles
from engine.exchange.known_markets import known_tick
from engine.model.errors import SettingsInvalid
from engine.model.grid import GridSpec
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.preflight import Preflight
from engine.runtime.rate_budget import ORDERS_PER_MINUTE
from engine.runtime.simulation import market_of, open_source, start_price_of
from engine.settings import Settings, Source

_HOUR_MS = 3_600_000
_SUGGESTION_DAYS = 90
"""How far the market is looked back at for a suggestion."""
_LIMIT_KEYS = ("order_notional_max", "exposure_quote_max")


def fresh_preflight(settings: Settings, name: str) -> Preflight:
    """The pre-flight of a grid at the first price of its simulated market, with what the grids before it leave.

    Raises:
        SettingsInvalid: the data cannot be read, or a grid cannot trade on its market.
    """
    taken: dict[str, Decimal] = {}
    for spec in settings.grids:
        market, price = _first_of(settings, spec)
        lattice = make_lattice(spec, market, price)
        if spec.name == name:
            risk = settings.risk_of(name)
            return preflight(
                spec,
                market,
                lattice,
                price,
                limits=risk.limits,
                stops=risk.stops,
                requests_per_minute=ORDERS_PER_MINUTE,
                available_quote=settings.simulation.quote - taken.get(market.quote, ZERO),
                available_base=(ZERO if market.swap else settings.simulation.base) - taken.get(market.base, ZERO),
            )
        funds = funds_needed(spec, market, lattice)
        for currency, amount in _by_currency(market, funds):
            taken[currency] = taken.get(currency, ZERO) + amount
    raise SettingsInvalid(f"--grid: expected one of {', '.join(spec.name for spec in settings.grids)}, found {name}")


def suggestion(settings: Settings, name: str, *, days: int, slots: int | None) -> Suggestion:
    """A range and a step for a grid from the days of its simulated market before its first price.

    Raises:
        SettingsInvalid: there is no such grid, too little history, or no room for a step that pays.
    """
    spec = next((spec for spec in settings.grids if spec.name == name), None)
    if spec is None:
        raise SettingsInvalid(
            f"--grid: expected one of {', '.join(each.name for each in settings.grids)}, found {name}"
        )
    source = open_source(settings, spec.symbol)
    candles = newest_candles(source, _HOUR_MS, _SUGGESTION_DAYS * 24, source.start_ms)
    market = market_of(settings, spec.symbol, source.tick_size)
    try:
        return suggest(candles, market, slots_wanted=slots, horizon_days=days)
    except SettingsInvalid as impossible:
        hint = "; a replay has them before simulation.start" if settings.simulation.source is Source.REPLAY else ""
        raise SettingsInvalid(*(f"{spec.symbol}: {problem}{hint}" for problem in impossible.problems)) from None


def start_problems(settings: Settings) -> Iterator[str]:
    """What a start would refuse of the grids whatever their market trades at, each as ``KEY: what is wrong``.

    A market whose rules only its data tells is left to the start.
    """
    for index, spec in enumerate(settings.grids):
        tick = settings.simulation.market.tick or known_tick(spec.symbol)
        is_replay = settings.simulation.source is Source.REPLAY
        if tick is None and is_replay:
            continue
        market = market_of(settings, spec.symbol, tick or Decimal("0.01"))
        anchor = (spec.lower + spec.upper) / 2 if is_replay else start_price_of(settings, spec.symbol)
        try:
            lattice = make_lattice(spec, market, anchor)
        except SettingsInvalid as impossible:
            for problem in impossible.problems:
                text = problem.removeprefix(f"grid {spec.name!r}: ")
                # How much a slot trades depends on a price that only the data tells.
                if not (is_replay and text.startswith(f"{spec.sized_by}:")):
                    yield f"grid[{index}].{text}"
            continue
        levels = [slot.entry_price for slot in slots_of(lattice)]
        for problem in grid_problems(settings.risk_of(spec.name).limits, market, levels, lattice.amounts):
            key = next(key for key in _LIMIT_KEYS if key in problem)
            yield f"grid[{index}].risk.{key}: {problem}"


def _first_of(settings: Settings, spec: GridSpec) -> tuple[Market, Decimal]:
    source = open_source(settings, spec.symbol)
    first = source.next()
    if first is None:
        raise SettingsInvalid(f"simulation: expected a price of {spec.symbol}, found none")
    return market_of(settings, spec.symbol, source.tick_size), first.price


def _by_currency(market: Market, funds: Funds) -> tuple[tuple[str, Decimal], ...]:
    base = NO_FUNDS.base if market.swap is not None else funds.base
    return (market.quote, funds.quote), (market.base, base)
