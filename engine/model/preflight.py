"""What a grid will do and cost before it starts or changes, in figures that a person can check.

Prices are quote per base, amounts base, money quote; rates are fractions.
"""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.money import ZERO
from engine.model.order import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightRow:
    """One slot, lowest first. ``profit`` and ``rate`` are of one whole cycle, net of maker fees.

    ``opens_now``: its first lot is traded at the start, at the start price.
    """

    slot: int
    lower: Decimal
    upper: Decimal
    side: Side
    amount: Decimal
    profit: Decimal
    rate: Decimal
    opens_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """A grid at a price, with the account's fees.

    ``needs_quote`` and ``needs_base`` are what must be there (margin on a swap), ``least_investment`` the least
    quote with which every slot meets the market's minimum. ``break_even_step`` is the least step between levels
    that pays the fees of a cycle, as a fraction. ``now_base`` and ``now_quote`` are traded at the start,
    negative where base is sold. ``average_entry`` is what the inventory has cost per base when the price is at the
    far bound (lower for long, upper for short), ``loss_at_bound`` what the grid has lost there, or at the start price
    if that is beyond; ``loss_at_stop`` is at ``stop_price``. ``trailing_quote`` and ``trailing_base`` are how much of
    the needs is for levels to trail to. ``orders_live`` rest at once at the most, ``orders_max`` may; the start sends
    ``requests_to_start`` and ``requests_per_minute`` are allowed. ``problems`` forbid the start, ``warnings`` do not.
    """

    symbol: str
    base: str
    quote: str
    price: Decimal
    rows: tuple[PreflightRow, ...]
    needs_quote: Decimal
    needs_base: Decimal
    least_investment: Decimal
    break_even_step: Decimal
    now_base: Decimal
    now_quote: Decimal
    average_entry: Decimal | None
    loss_at_bound: Decimal
    stop_price: Decimal | None
    loss_at_stop: Decimal | None
    orders_live: int
    orders_max: int | None
    requests_to_start: int
    requests_per_minute: int | None
    liquidation_price: Decimal | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trailing_quote: Decimal = ZERO
    trailing_base: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPreview:
    """What a live edit would do; nothing has happened yet.

    ``stays`` are slots that keep their levels, ``gone`` those that disappear, ``new`` those that appear (counted in
    the lattice after the edit), ``lots_moved`` pairs of (slot before, slot after). ``cancels`` are client order ids.
    ``buys_base`` is bought at once for about ``buys_quote``; ``waits_for`` is why that is not so yet, empty if it is.
    ``loss_before`` and ``loss_after`` are what the grid will have lost at the far bound of the lattice before and
    after, or at the present price if that is beyond. ``before`` and ``after`` are of grids that would start now.
    """

    before: Preflight
    after: Preflight
    stays: tuple[int, ...]
    gone: tuple[int, ...]
    new: tuple[int, ...]
    lots_moved: tuple[tuple[int, int], ...]
    cancels: tuple[str, ...]
    buys_base: Decimal
    buys_quote: Decimal
    loss_before: Decimal
    loss_after: Decimal
    problems: tuple[str, ...] = ()
    waits_for: str = ""

    def trades_more_than(self, agreed: "EditPreview") -> bool:
        """Whether more base is traded at once than was agreed to, or on the other side."""
        return abs(self.buys_base) > abs(agreed.buys_base) or self.buys_base * agreed.buys_base < 0
