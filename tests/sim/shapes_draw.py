"""Every shape of grid: what Hypothesis may put together of one, of its market and of the path of its price."""

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import accumulate

from hypothesis import strategies as st

from engine.core.lattice import funds_needed, make_lattice
from engine.exchange.funding import FundingRates
from engine.exchange.matching import MatchingOptions
from engine.model.grid import (
    NO_TRAILING,
    Direction,
    Disposal,
    GridSpec,
    InitialPurchase,
    MarginMode,
    ProfitUse,
    SizedBy,
    SizeProfile,
    SlotSize,
    Spacing,
    StartTrigger,
    Trailing,
    TriggerSide,
)
from engine.model.market import FeeCurrency, Market
from engine.model.money import ceil_to_step
from tests.builders import SYMBOL, a_market, a_spec
from tests.core.shape_builders import a_swap

D = Decimal
SWAP_SYMBOL = "BTC/USDT:USDT"
FUNDING_MS = 600_000
"""Ten rows of a path."""
_CENT, _SATOSHI = D("0.01"), D("0.00000001")
_LOWEST, _HIGHEST = 7_500, 24_000
"""The bounds of every path, in ticks; the range of every grid is 100 to 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One grid on one market. ``ends_by`` None: it is never stopped; ``is_tight``: the account has what it needs."""

    spec: GridSpec
    market: Market
    prices: tuple[Decimal, ...]
    matching: MatchingOptions
    ends_by: Disposal | None
    is_tight: bool

    @property
    def balances(self) -> dict[str, Decimal]:
        """What the account begins with: no base where swaps are traded. Raises ``SettingsInvalid``."""
        if self.is_tight:
            anchor = self.prices[0] if self.spec.start is None else self.spec.start.price
            funds = funds_needed(self.spec, self.market, make_lattice(self.spec, self.market, anchor))
            # A cent for what the exchange rounds up: the fee of each order that it locks.
            return {"USDT": ceil_to_step(funds.quote, _CENT) + _CENT, "BTC": ceil_to_step(funds.base, _SATOSHI)}
        return {"USDT": D(100_000), "BTC": D(0) if self.market.swap is not None else D(1_000)}


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """A grid of any shape on a path that leaves its range on both sides now and then."""
    is_swap = draw(st.booleans())
    return Shape(
        spec=draw(_specs(is_swap=is_swap)),
        market=draw(_markets(is_swap=is_swap)),
        prices=draw(_paths()),
        matching=MatchingOptions(
            seed=draw(st.integers(0, 99)),
            partial_fill_chance=draw(st.sampled_from((D(0), D("0.4")))),
            funding=FundingRates(rate=draw(st.sampled_from((D("0.0001"), D("-0.0007")))), spread=D("0.0002")),
        ),
        ends_by=draw(st.sampled_from((None, None, *Disposal))),
        is_tight=not is_swap and draw(st.booleans()),
    )


@st.composite
def _markets(draw: st.DrawFn, *, is_swap: bool) -> Market:
    if not is_swap:
        lot_size = D(draw(st.sampled_from(("0.00001", "0.01"))))
        fee_currency = draw(st.sampled_from(FeeCurrency))
        return a_market(fee_currency=fee_currency, lot_size=lot_size, amount_min=lot_size)
    swap = a_swap(symbol=SWAP_SYMBOL)
    assert swap.swap is not None
    return replace(swap, swap=replace(swap.swap, funding_interval_ms=FUNDING_MS))


@st.composite
def _specs(draw: st.DrawFn, *, is_swap: bool) -> GridSpec:
    slots = draw(st.integers(1, 9))
    direction = draw(st.sampled_from(Direction))
    sized_by = draw(st.sampled_from(SizedBy))
    size = {
        SizedBy.BASE_PER_SLOT: D("0.5"),
        SizedBy.QUOTE_PER_SLOT: D(80),
        SizedBy.INVESTMENT: D(100 * slots),
    }[sized_by]
    own = draw(st.lists(st.integers(0, slots - 1), max_size=2, unique=True))
    follows = draw(_follows(direction))
    return a_spec(
        symbol=SWAP_SYMBOL if is_swap else SYMBOL,
        direction=direction,
        slots=slots,
        spacing=draw(st.sampled_from(Spacing)),
        window=draw(st.integers(1, slots)),
        sized_by=sized_by,
        size=size,
        profile=draw(st.sampled_from(SizeProfile)),
        sizes=tuple(SlotSize(slot=slot, size=D("0.31") if size < 1 else D(47)) for slot in own),
        profit_use=draw(st.sampled_from(ProfitUse)),
        initial_purchase=draw(st.sampled_from(_purchases(direction, is_swap=is_swap))),
        start=draw(st.sampled_from((None, None, *_STARTS))),
        trailing=follows if isinstance(follows, Trailing) else NO_TRAILING,
        is_infinite=follows is True,
        leverage=D(draw(st.sampled_from((1, 3, 20)))) if is_swap else D(1),
        margin=draw(st.sampled_from(MarginMode)) if is_swap else MarginMode.CROSS,
    )


_STARTS = tuple(StartTrigger(side=side, price=D(price)) for side in TriggerSide for price in (140, 155))


def _follows(direction: Direction) -> st.SearchStrategy[Trailing | bool]:
    trailing = st.builds(Trailing, up_to=st.sampled_from((None, D(231))), down_to=st.sampled_from((None, D(71))))
    return st.one_of(st.just(False), trailing, st.just(direction is Direction.LONG))


def _purchases(direction: Direction, *, is_swap: bool) -> tuple[InitialPurchase, ...]:
    has_holdings = not is_swap and direction is not Direction.SHORT
    return tuple(each for each in InitialPurchase if has_holdings or each is not InitialPurchase.HOLDINGS)


@st.composite
def _paths(draw: st.DrawFn) -> tuple[Decimal, ...]:
    """Moves from small to wild, in ticks, within bounds."""
    start = draw(st.integers(12_000, 18_000))
    moves = draw(st.lists(st.integers(-1_500, 1_500), min_size=15, max_size=60))
    walk = accumulate(moves, lambda at, move: min(max(at + move, _LOWEST), _HIGHEST), initial=start)
    return tuple(D(ticks) / 100 for ticks in walk)
