"""What a grid will do and cost before it starts or changes, in figures that a person can check.

Prices are quote per base, amounts base, money quote; rates are fractions.
"""

from dataclasses import dataclass
from decimal import Decimal

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
    far bound (lower for long, upper for short), ``loss_at_bound`` what the grid has lost there, ``loss_at_stop`` at
    ``stop_price``. ``orders_live`` rest at once at the most, ``orders_max`` may; the start sends
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPreview:
    """What a live edit would do; nothing has happened yet.

    ``stays`` are slots that keep their levels, ``gone`` those that disappear, ``new`` those that appear (counted in
    the lattice after the edit), ``lots_moved`` pairs of (slot before, slot after). ``cancels`` are client order ids.
    ``buys_base`` is bought at once for about ``buys_quote``. ``loss_before`` and ``loss_after`` are the losses at the
    far bound of the lattice before and after.
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

    def trades_more_than(self, agreed: "EditPreview") -> bool:
        """Whether more base is traded at once than was agreed to, or on the other side."""
        return abs(self.buys_base) > abs(agreed.buys_base) or self.buys_base * agreed.buys_base < 0
