"""Builders for tests of grid shapes: a perpetual swap, and markets whose fees do not disturb a formula."""

from dataclasses import replace
from decimal import Decimal

from engine.core.lattice import make_lattice
from engine.core.preflight import preflight
from engine.model.grid import GridSpec
from engine.model.market import FeeCurrency, Market, SwapRules
from engine.model.preflight import Preflight
from engine.model.risk import Limits
from tests.builders import Number, a_market

D = Decimal


def a_swap(*, leverage_max: Number = 50, maintenance_rate: Number = "0.005", **changes: object) -> Market:
    """BTC/USDT as a perpetual swap of contracts of 0.001 BTC, or what it becomes with ``changes``."""
    rules = SwapRules(contract_size=D("0.001"), leverage_max=D(leverage_max), maintenance_rate=D(maintenance_rate))
    market = a_market(fee_currency=FeeCurrency.QUOTE, lot_size=D("0.001"), amount_min=D("0.001"), swap=rules)
    return replace(market, **changes)  # type: ignore[arg-type]


def without_fees(market: Market) -> Market:
    """The market with fees of 0."""
    return replace(market, maker_fee_rate=D(0), taker_fee_rate=D(0))


def a_preflight(spec: GridSpec, market: Market, anchor: Number = 150, **changes: object) -> Preflight:
    """The pre-flight of a grid that starts at the price ``anchor``."""
    lattice = make_lattice(spec, market, D(anchor))
    return preflight(spec, market, lattice, D(anchor), **{"limits": Limits(), **changes})  # type: ignore[arg-type]
