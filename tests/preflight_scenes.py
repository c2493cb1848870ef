"""Fixed pre-flights and previews of the scenes' grid: what the figures of a start and of an edit look like."""

from dataclasses import replace
from decimal import Decimal

from engine.model.order import Side
from engine.model.preflight import EditPreview, Preflight, PreflightRow
from tests.scenes import LOT, LOWER, STEP

PRICE = Decimal("60412.37")
FEE = Decimal("0.001")


def row(slot: int, **changes: object) -> PreflightRow:
    """A slot that buys the scenes' lot at its lower level, at once where that lies above the price."""
    lower = LOWER + STEP * slot
    upper = lower + STEP
    profit = LOT * (STEP - FEE * (lower + upper))
    base = PreflightRow(
        slot=slot,
        lower=lower,
        upper=upper,
        side=Side.BUY,
        amount=LOT,
        profit=profit,
        rate=(profit / (LOT * lower)).quantize(Decimal("0.00000001")),
        opens_now=lower > PRICE,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def preflight(**changes: object) -> Preflight:
    """The scenes' 40 slots on BTC/USDT, with a stop; nothing is wrong with it."""
    base = Preflight(
        symbol="BTC/USDT",
        base="BTC",
        quote="USDT",
        price=PRICE,
        rows=tuple(row(slot) for slot in range(40)),
        needs_quote=Decimal("3982.2155"),
        needs_base=Decimal(0),
        least_investment=Decimal("412.5"),
        break_even_step=Decimal("0.002002002002"),
        now_base=Decimal("0.0332"),
        now_quote=Decimal("2005.690684"),
        average_entry=Decimal("58106.185"),
        loss_at_bound=Decimal("405.61234"),
        stop_price=Decimal(50_000),
        loss_at_stop=Decimal("538.41"),
        orders_live=24,
        orders_max=200,
        requests_to_start=32,
        requests_per_minute=600,
        liquidation_price=None,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def forbidden() -> Preflight:
    """A grid on a swap that must not start, and why."""
    return preflight(
        symbol="BTC/USDT:USDT",
        liquidation_price=Decimal("51234.5"),
        stop_price=None,
        loss_at_stop=None,
        problems=(
            "the account has 1020.1 USDT free, the grid needs 3982.2155",
            "slot 39: a cycle earns -0.0012 USDT, [b]less[/b] than its fees",
        ),
        warnings=("the liquidation price 51234.5 lies above the stop at 50000; the position would be gone first",),
    )


def preview(**changes: object) -> EditPreview:
    """Four slots at the bottom go, ten appear at the top, 0.0166 BTC is bought for them."""
    rows = tuple(row(slot) for slot in range(4, 50))
    after = preflight(
        rows=rows,
        needs_quote=Decimal("4600.1"),
        loss_at_bound=Decimal("515.2"),
        loss_at_stop=Decimal("760.02"),
        average_entry=Decimal("60318.4"),
        warnings=("the highest level 72000 lies 19.2% above the price",),
    )
    base = EditPreview(
        before=preflight(),
        after=after,
        stays=tuple(range(4, 40)),
        gone=(0, 1, 2, 3),
        new=tuple(range(40, 50)),
        lots_moved=((39, 41), (38, 40)),
        cancels=("g1btc0009n000007", "g1btc0010n000007"),
        buys_base=Decimal("0.0166"),
        buys_quote=Decimal("1002.845342"),
        loss_before=Decimal("405.61234"),
        loss_after=Decimal("515.2"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def impossible() -> EditPreview:
    """An edit that is refused."""
    return preview(
        problems=(
            "slot 12 is frozen and would disappear; thaw it first",
            "the account has 300 USDT free, [red]1002.85[/red] are needed",
        )
    )
