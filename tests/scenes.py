"""Fixed scenes of an engine, as snapshots: what a terminal may be shown, without an engine.

Every number here is part of an expected picture; nothing depends on the clock.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from engine.model.grid import GridState
from engine.model.order import OrderStatus, Side
from engine.model.snapshot import (
    BalanceView,
    BlockView,
    Connection,
    EngineEvent,
    EngineSnapshot,
    EngineState,
    EventLevel,
    GridSnapshot,
    Mode,
    OrderView,
    PartView,
    ProfitView,
    SlotStateName,
    SlotView,
)

ZERO = Decimal(0)
AT_MS = 1_584_000_847_000
"""2020-03-12 08:14:07 UTC."""
LOWER = Decimal(52_000)
STEP = Decimal(400)
LOT = Decimal("0.00166")
WINDOW = 12
FREEZE_REASON = "by hand: waiting for the exchange's answer about order g1btc0018x000007"


def slot(index: int, **changes: object) -> SlotView:
    """Slot ``index`` of the scenes' ladder, empty unless told otherwise."""
    lower = LOWER + STEP * index
    base = SlotView(
        index=index,
        lower=lower,
        upper=lower + STEP,
        state=SlotStateName.EMPTY,
        quantity=ZERO,
        order=None,
        freeze_reason=None,
        cycles=0,
        profit=ZERO,
        cycle_profit=Decimal("0.42"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def order(index: int, side: Side, *, filled: Decimal = ZERO) -> OrderView:
    """The live order of slot ``index``: a buy at its lower level or a sell at its upper one."""
    price = LOWER + STEP * (index if side is Side.BUY else index + 1)
    return OrderView(
        client_order_id=f"g1btc{index:04}{'n' if side is Side.BUY else 'x'}000007",
        side=side,
        price=price,
        amount=LOT,
        filled=filled,
        status=OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.OPEN,
    )


def ladder(price: Decimal, count: int = 40) -> tuple[SlotView, ...]:
    """Slots around ``price`` as a running long grid has them, with orders inside the window."""
    at = int((price - LOWER) / STEP)
    return tuple(_running_slot(index, at) for index in range(count))


def _running_slot(index: int, at: int) -> SlotView:
    cycles = max(0, 9 - abs(index - at))
    profit = Decimal("0.57") * cycles
    if index > at:
        if index - at > WINDOW:
            return slot(index, state=SlotStateName.HOLDING, quantity=LOT)
        sell = order(index, Side.SELL)
        return slot(index, state=SlotStateName.EXITING, quantity=LOT, order=sell, cycles=cycles, profit=profit)
    if at - index >= WINDOW:
        return slot(index)
    buy = order(index, Side.BUY)
    return slot(index, state=SlotStateName.ENTERING, order=buy, cycles=cycles, profit=profit)


PROFIT = ProfitView(
    grid=Decimal("46.17"),
    floating=Decimal("-12.384"),
    fees=Decimal("5.4312"),
    total=Decimal("33.786"),
    residual=ZERO,
    fees_by_currency=(("BTC", Decimal("0.00004482")), ("USDT", Decimal("2.7204"))),
)


def grid(price: Decimal | None = Decimal("60412.37"), **changes: object) -> GridSnapshot:
    """A running 40-slot grid on BTC/USDT."""
    base = GridSnapshot(
        name="btc",
        symbol="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
        state=GridState.RUNNING,
        state_reason="",
        price=price,
        price_at_ms=AT_MS - 120,
        anchor=Decimal("59874.10"),
        window=WINDOW,
        slots=ladder(price or LOWER),
        blocks=(),
        profit=PROFIT,
        cash=Decimal("-1871.6201"),
        inventory=Decimal("0.03154"),
        dust=Decimal("0.00000482"),
        invested=Decimal(4000),
        cycles=81,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


PARTS = tuple(
    PartView(name=name, has_reported=True, detail="")
    for name in ("journal", "exchange", "prices", "grid btc", "risk monitor")
)
BALANCES = (
    BalanceView(currency="BTC", free=Decimal("0.0116"), locked=Decimal("0.01994482")),
    BalanceView(currency="USDT", free=Decimal("1020.1"), locked=Decimal("1197.3061")),
)


def engine(*grids: GridSnapshot, sequence: int = 1, **changes: object) -> EngineSnapshot:
    """A running simulation."""
    base = EngineSnapshot(
        sequence=sequence,
        at_ms=AT_MS,
        started_ms=AT_MS - 3_600_000,
        mode=Mode.SIMULATION,
        exchange="simulated",
        connection=Connection.CONNECTED,
        state=EngineState.RUNNING,
        state_reason="",
        speed=60.0,
        loop_lag_ms=2.4,
        parts=PARTS,
        balances=BALANCES,
        grids=grids or (grid(),),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def event(number: int, text: str, **changes: object) -> EngineEvent:
    """One event, some seconds before ``AT_MS``."""
    base = EngineEvent(
        number=number,
        at_ms=AT_MS - 60_000 + number * 4_000,
        level=EventLevel.INFO,
        grid="btc",
        slot=None,
        text=text,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


EVENTS = (
    event(1, "journal replayed: 1,204 records, books balance", grid=""),
    event(2, "running: every part has reported in", grid=""),
    event(3, "grid started at 59,874.10: 40 slots, window 12, initial purchase by limit orders"),
    event(4, "entry filled: bought 0.00166 at 60,400.00, fee 0.00000166 BTC", slot=21),
    event(5, "exit placed: sell 0.00166 at 60,800.00", slot=21),
    event(6, "exit filled: sold 0.00166 at 60,800.00, cycle 9 earned 0.57 USDT", slot=21),
    event(7, "entry placed again: buy 0.00166 at 60,400.00", slot=21),
    event(8, "entry partly filled: 0.00070 of 0.00166 at 60,000.00", slot=20),
    event(
        9,
        "order answer is 5.2 s late: asked by client order id; nothing is sent again until it is known",
        level=EventLevel.WARNING,
        slot=18,
    ),
    event(10, "window moved up by one slot: entry of slot 9 cancelled, exit of slot 33 placed"),
)

_WALK = (
    0,
    40,
    95,
    60,
    130,
    180,
    150,
    90,
    20,
    -60,
    -140,
    -90,
    -150,
    -220,
    -170,
    -80,
    10,
    90,
    170,
    240,
    200,
    120,
    50,
    0,
)


def walk() -> tuple[EngineSnapshot, ...]:
    """A few minutes of a running market, oldest first; the last one is ``running()``."""
    last = running()
    steps: list[EngineSnapshot] = []
    for number, step in enumerate(_WALK[:-1], 1):
        price = Decimal("60412.37") + step
        total = PROFIT.total + Decimal(step) / 40 - (len(_WALK) - number) * Decimal("0.9")
        seen = grid(price, profit=replace(PROFIT, total=total))
        steps.append(engine(seen, sequence=number, at_ms=AT_MS - (len(_WALK) - number) * 10_000))
    return (*steps, last)


def running() -> EngineSnapshot:
    """Mid-range, all well."""
    return engine(sequence=len(_WALK))


def starting() -> EngineSnapshot:
    """The exchange is up, prices are not, the grid has not started."""
    waiting: Mapping[str, str] = {"prices": "", "grid btc": "reconciling"}
    parts = tuple(
        replace(part, has_reported=part.name not in waiting, detail=waiting.get(part.name, "")) for part in PARTS
    )
    empty = tuple(slot(index) for index in range(40))
    nothing = ProfitView(grid=ZERO, floating=ZERO, fees=ZERO, total=ZERO, residual=ZERO, fees_by_currency=())
    new = grid(
        None,
        state=GridState.STARTING,
        state_reason="waiting for the first price",
        slots=empty,
        profit=nothing,
        cycles=0,
        inventory=ZERO,
        dust=ZERO,
        cash=ZERO,
        anchor=None,
    )
    return engine(new, state=EngineState.STARTING, connection=Connection.CONNECTING, parts=parts)


def halted() -> EngineSnapshot:
    """A person is needed."""
    reason = "the journal cannot be written: no space left on the device; orders rest on the exchange as they are"
    stuck = grid(state=GridState.HALTED, state_reason="the engine has halted")
    return engine(stuck, state=EngineState.HALTED, state_reason=reason)


def partial_and_frozen() -> EngineSnapshot:
    """Slot 20 has bought a part, slot 18 is frozen, and openings are blocked."""
    slots = list(ladder(Decimal("60102.40")))
    part = Decimal("0.0007")
    slots[20] = replace(slots[20], order=order(20, Side.BUY, filled=part), quantity=part)
    slots[18] = replace(slots[18], freeze_reason=FREEZE_REASON)
    blocks = (
        BlockView(what="openings", reason="the price is 12 s old, at most 10 s are allowed"),
        BlockView(what="slot 18", reason=FREEZE_REASON),
    )
    return engine(grid(Decimal("60102.40"), slots=tuple(slots), blocks=blocks))


def several_grids() -> EngineSnapshot:
    """Three grids, the second one paused."""
    eth = grid(name="eth", symbol="ETH/USDT", base="ETH", state=GridState.PAUSED, state_reason="paused by terminal")
    sol = grid(name="sol", symbol="SOL/USDT", base="SOL")
    return engine(grid(), eth, sol)


def unexplained() -> EngineSnapshot:
    """The books do not explain a fraction of a cent."""
    return engine(grid(profit=replace(PROFIT, residual=Decimal("-0.00000012"))))


def large(count: int, price: Decimal) -> EngineSnapshot:
    """A ladder of ``count`` slots, for measuring."""
    return engine(grid(price, slots=ladder(price, count)))
