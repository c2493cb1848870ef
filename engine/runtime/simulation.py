"""The simulated exchange of a configuration: which markets, their rules and prices, and what the account holds."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from engine.exchange.funding import FundingRates
from engine.exchange.known_markets import known_tick, simulated_market
from engine.exchange.matching_options import FillModel, MatchingOptions
from engine.exchange.prices import PriceSource
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import NullBooks, open_books
from engine.exchange.synthetic import SyntheticSource
from engine.model.errors import SettingsInvalid
from engine.model.market import Market, SwapRules, is_swap
from engine.model.money import nearest_step
from engine.runtime.clock import VirtualClock
from engine.settings import FillRule, JournalKind, MarketOverrides, Settings, Source

_OTHER_START = Decimal(100)
_FILL_MODELS = {FillRule.THROUGH: FillModel.THROUGH, FillRule.TOUCH: FillModel.TOUCH}


def open_simulated_exchange(settings: Settings, folder: Path, clock: VirtualClock) -> SimulatedExchange:
    """The exchange as its books in ``folder`` left it, or new.

    Raises:
        SettingsInvalid: the data, the market's rules or the books cannot be used.
    """
    simulation = settings.simulation
    sources = {symbol: open_source(settings, symbol) for symbol in _symbols(settings)}
    markets = {symbol: market_of(settings, symbol, source.tick_size) for symbol, source in sources.items()}
    options = SimulatedOptions(
        matching=MatchingOptions(
            fill=_FILL_MODELS[simulation.fill],
            seed=simulation.seed,
            partial_fill_chance=Decimal(str(simulation.partial_fills)),
            funding=FundingRates(rate=simulation.funding_rate),
        ),
        latency_ms=simulation.latency_ms,
        every_tick=simulation.every_tick,
    )
    balances = dict.fromkeys((each.base for each in markets.values() if each.swap is None), simulation.base)
    balances |= dict.fromkeys((market.quote for market in markets.values()), simulation.quote)
    is_kept = simulation.journal is JournalKind.FILE
    return SimulatedExchange(
        markets=markets,
        sources=sources,
        balances=balances,
        now_ms=clock.now_ms,
        options=options,
        books=open_books(folder) if is_kept else NullBooks(),
    )


def _symbols(settings: Settings) -> list[str]:
    """What the grids trade, and the leaders that they look at."""
    traded = [spec.symbol for spec in settings.grids]
    panics = (settings.risk_of(spec.name).panic for spec in settings.grids)
    leaders = [symbol for panic in panics if panic is not None for symbol in panic.symbols]
    return list(dict.fromkeys([*traded, *leaders]))


def open_source(settings: Settings, symbol: str) -> PriceSource:
    """Where the prices of a market come from, at its first row.

    Raises:
        SettingsInvalid: the data cannot be used.
    """
    simulation = settings.simulation
    tick = simulation.market.tick or known_tick(symbol)
    match simulation.source:
        case Source.SYNTHETIC:
            tick = tick or Decimal("0.01")
            return SyntheticSource(
                symbol=symbol,
                seed=simulation.seed,
                start_price=nearest_step(start_price_of(settings, symbol), tick),
                tick_size=tick,
            )
        case Source.REPLAY:
            # Imported here: it brings the libraries for large arrays and data files.
            from engine.exchange.replay import replay_from_file

            if simulation.path is None:
                raise SettingsInvalid("simulation.path: expected a file of market data to replay, found none")
            return replay_from_file(
                simulation.path, symbol=symbol, tick_size=simulation.market.tick, start_ms=simulation.start_ms
            )


def start_price_of(settings: Settings, symbol: str) -> Decimal:
    """Where a synthetic market begins: as configured, else in the middle of its first grid."""
    if settings.simulation.start_price is not None:
        return settings.simulation.start_price
    spec = next((spec for spec in settings.grids if spec.symbol == symbol), None)
    return _OTHER_START if spec is None else (spec.lower + spec.upper) / 2


def market_of(settings: Settings, symbol: str, data_tick: Decimal) -> Market:
    """The rules of a simulated market whose prices come in steps of ``data_tick``.

    Raises:
        SettingsInvalid: they contradict each other.
    """
    overrides = settings.simulation.market
    market = simulated_market(symbol, data_tick=data_tick)
    if data_tick < market.tick_size:
        market = replace(market, tick_size=data_tick)
    changes = {
        "tick_size": overrides.tick,
        "lot_size": overrides.lot,
        "amount_min": overrides.lot,
        "notional_min": overrides.min_notional,
        "maker_fee_rate": overrides.maker_fee,
        "taker_fee_rate": overrides.taker_fee,
        "fee_currency": None if is_swap(symbol) else overrides.fee_currency,
        "swap": None if market.swap is None else _swap_rules(market.swap, overrides),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return replace(market, **given)  # type: ignore[arg-type]
    except ValueError as error:
        raise SettingsInvalid(f"simulation.market: {symbol}: {error}") from error


def _swap_rules(rules: SwapRules, overrides: MarketOverrides) -> SwapRules:
    changes = {
        "contract_size": overrides.contract_size,
        "maintenance_rate": overrides.maintenance_rate,
        "leverage_max": overrides.leverage_max,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return replace(rules, **given)  # type: ignore[arg-type]
    except ValueError as error:
        raise SettingsInvalid(f"simulation.market: {error}") from error
