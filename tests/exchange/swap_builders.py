"""Small swap markets, orders and positions for the tests of the simulated exchange."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.positions import MarginTerms
from engine.model.grid import MarginMode
from engine.model.market import FeeCurrency, Market, SwapRules
from engine.model.order import OrderReport, OrderRequest, Side

D = Decimal
BTC_SWAP = "BTC/USDT:USDT"
ETH_SWAP = "ETH/USDT:USDT"
HOUR_MS = 3_600_000
RULES = SwapRules(contract_size=D("0.001"), leverage_max=D(100), maintenance_rate=D("0.004"))
SWAP = Market(
    symbol=BTC_SWAP,
    base="BTC",
    quote="USDT",
    tick_size=D("0.1"),
    lot_size=D("0.001"),
    amount_min=D("0.001"),
    amount_max=D(1_000),
    notional_min=D(0),
    maker_fee_rate=D("0.0002"),
    taker_fee_rate=D("0.0005"),
    fee_currency=FeeCurrency.QUOTE,
    swap=RULES,
)
OTHER_SWAP = replace(SWAP, symbol=ETH_SWAP, base="ETH")
ISOLATED, CROSS = MarginMode.ISOLATED, MarginMode.CROSS


def swap_engine(
    wallet: str = "1000",
    *,
    leverage: str = "10",
    mode: MarginMode = CROSS,
    markets: Sequence[Market] = (SWAP,),
    options: MatchingOptions | None = None,
    balances: Mapping[str, Decimal] | None = None,
) -> MatchingEngine:
    """A matching engine on swaps that have all last traded at 100."""
    balances = {"USDT": D(wallet)} if balances is None else balances
    engine = MatchingEngine(markets=markets, balances=balances, options=options or MatchingOptions())
    for market in markets:
        if market.swap is not None:
            engine.set_leverage(market.symbol, MarginTerms(leverage=D(leverage), mode=mode))
        engine.trade(market.symbol, D(100), 0)
    return engine


def swap_order(
    client_order_id: str,
    side: Side,
    price: str,
    amount: str = "1",
    *,
    symbol: str = BTC_SWAP,
    reduce_only: bool = False,
) -> OrderRequest:
    return OrderRequest(
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        price=D(price),
        amount=D(amount),
        post_only=False,
        reduce_only=reduce_only,
    )


def fill(
    engine: MatchingEngine, side: Side, price: str, amount: str = "1", *, symbol: str = BTC_SWAP, at_ms: int = 1
) -> tuple[OrderReport, ...]:
    """Fill an order as a maker at its own price; the market ends there."""
    last = engine.last_price(symbol)
    away = D("0.1") if side is Side.BUY else D("-0.1")
    engine.trade(symbol, D(price) + away, at_ms)
    engine.place(swap_order(f"{symbol}-{engine.trades(symbol)}-{side}", side, price, amount, symbol=symbol), at_ms)
    reports = engine.trade(symbol, D(price) - away, at_ms)
    engine.trade(symbol, D(price), at_ms)
    assert last is not None
    return reports


def wallet_of(engine: MatchingEngine) -> Decimal:
    """All quote of the account, realised."""
    balance = engine.balances()["USDT"]
    return balance.free + balance.locked


def insured(engine: MatchingEngine) -> Decimal:
    """What the exchange's insurance has paid."""
    return -engine._account.insurance["USDT"]
