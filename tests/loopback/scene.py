"""What a loopback exchange is opened with unless a test says otherwise: markets, money, and each exchange's habits."""

from decimal import Decimal

from engine.runtime.clock import RealClock
from tests.loopback.venue import (
    DuplicateRule,
    MarketKind,
    PostOnlyRule,
    Venue,
    VenueMarket,
    VenueOptions,
)

FIRST_PRICES = {"BTC": Decimal(60_000), "ETH": Decimal(3_000), "SOL": Decimal(150)}
DEFAULT_BALANCES = {"USDT": Decimal(100_000), "BTC": Decimal(2), "ETH": Decimal(20), "BNB": Decimal(10)}
_CLOCK = RealClock()


def wall_ms() -> int:
    """UTC milliseconds of this machine."""
    return _CLOCK.now_ms()


def spot_market(base: str, tick: str, lot: str, *, quote: str = "USDT", min_notional: str = "5") -> VenueMarket:
    """A spot market with everyday filters and fees of 0.1 %."""
    return VenueMarket(
        id=f"{base}{quote}",
        symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_amount=Decimal(lot),
        max_amount=Decimal(9_000),
        min_notional=Decimal(min_notional),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
        price_band=Decimal(5),
    )


def linear_market(base: str, tick: str, lot: str, *, quote: str = "USDT") -> VenueMarket:
    """A perpetual swap of one base unit a contract; its id has a suffix, since spot has the plain one."""
    return VenueMarket(
        id=f"{base}{quote}.P",
        symbol=f"{base}/{quote}:{quote}",
        base=base,
        quote=quote,
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_amount=Decimal(lot),
        max_amount=Decimal(1_000),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.00055"),
        kind=MarketKind.LINEAR,
    )


def default_markets(protocol: str) -> list[VenueMarket]:
    """Three spot markets, and on Bybit two swaps."""
    spot = [
        spot_market("BTC", "0.01", "0.00001"),
        spot_market("ETH", "0.01", "0.0001"),
        spot_market("SOL", "0.01", "0.001"),
    ]
    if protocol == "bybit":
        return [*spot, linear_market("BTC", "0.1", "0.001"), linear_market("ETH", "0.01", "0.01")]
    return spot


def options_of(protocol: str) -> VenueOptions:
    """Binance forgets a client id when its order is closed and refuses crossing post-only orders; Bybit differs."""
    if protocol == "bybit":
        return VenueOptions(duplicates=DuplicateRule.FOR_EVER, post_only=PostOnlyRule.CANCELED)
    return VenueOptions()


def open_markets(venue: Venue) -> None:
    """Every market prints once."""
    for market in venue.markets.values():
        price = FIRST_PRICES.get(market.base, Decimal(100))
        venue.print_trade(market.id, price - price % market.tick)
