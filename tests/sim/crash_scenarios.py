"""Short stories of a grid, each about one thing that can be going on when an engine dies."""

from dataclasses import replace
from decimal import Decimal

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.model.commands import Command, EditGrid, Freeze, GridChange, Pause, Reconcile, Resume, Stop, Thaw
from engine.model.grid import Disposal, InitialPurchase, Trailing
from engine.model.market import FeeCurrency
from engine.model.order import Side
from tests.builders import a_spec
from tests.sim.schedules import FIFO
from tests.sim.sim_world import GRID
from tests.sim.swarm_draw import Deed, Draw

D = Decimal
_STEP_MS = 2_000
_QUIET = (115,) * 20
"""Forty seconds in which a slow or troubled start comes to its end."""


def a_story(*prices: int, **changes: object) -> Draw:
    """Three slots of 10 from 100 to 130, a trade every two seconds, an entry below each price; nothing goes wrong."""
    story = Draw(
        seed=1,
        spec=a_spec(upper=D(130), slots=3, window=3),
        fee_currency=FeeCurrency.RECEIVED,
        path=tuple((row * _STEP_MS, D(price)) for row, price in enumerate(prices)),
        faults=FaultPlan(),
        partial_fill_chance=D(0),
        latency_ms=25,
        schedule=FIFO,
        commit_seconds=0.002,
        stall_seconds=0.0,
        full_from_commit=None,
        reconcile_seconds=20.0,
        deaths=(),
        commands=(),
        deeds=(),
        ends_with_restart=False,
    )
    return replace(story, **changes)  # type: ignore[arg-type]


def _purchase(kind: InitialPurchase) -> object:
    return a_spec(upper=D(130), slots=3, window=3, initial_purchase=kind)


def _orders(*commands: tuple[float, Command]) -> tuple[tuple[float, Command], ...]:
    return commands


def _edit(at_seconds: float, **change: Decimal | int) -> tuple[tuple[float, Command], ...]:
    return _orders((at_seconds, EditGrid(grid=GRID, change=GridChange(**change))))  # type: ignore[arg-type]


def _trailing(trailing: Trailing) -> object:
    return a_spec(upper=D(130), slots=3, window=3, trailing=trailing)


_DUST = a_spec(upper=D(130), slots=2, window=2, size=D("0.07123"))
_ALL = D(1)

MIGRATIONS: dict[str, Draw] = {
    "a range edited while orders rest": a_story(
        115, 109, 112, 112, 119, 121, 131, 118, commands=_edit(5.0, lower=D(110), upper=D(140))
    ),
    "twice the slots while one fills": a_story(
        115, 109, 109, 112, 121, 112, partial_fill_chance=D("0.9"), commands=_edit(2.1, slots=6)
    ),
    "a lattice that follows a rise": a_story(
        115, 109, 121, 141, 129, 151, 139, spec=_trailing(Trailing(up_to=D(170))), partial_fill_chance=D("0.5")
    ),
    "a lattice that follows a fall with its lots": a_story(
        129, 109, 95, 85, 79, 99, 112, spec=_trailing(Trailing(down_to=D(60))), partial_fill_chance=D("0.5")
    ),
}
"""Those in which the lattice changes."""

SCENARIOS: dict[str, Draw] = {
    "the first order": a_story(105, 106),
    "a fill and its exit": a_story(105, 99, 105, 112, 112),
    "a cycle and the next entry": a_story(115, 109, 115, 121, 115, 109),
    "partial fills": a_story(115, 109, 108, 109, 108, 121, 122, partial_fill_chance=D("0.9")),
    "a partial entry that the price leaves": a_story(115, 109, 121, 122, partial_fill_chance=_ALL),
    "the first purchase at a limit": a_story(105, 104, 112, 125, spec=_purchase(InitialPurchase.LIMIT)),
    "the first purchase at the market": a_story(105, 112, 121, spec=_purchase(InitialPurchase.MARKET)),
    "holdings taken over": a_story(105, 112, 121, 109, spec=_purchase(InitialPurchase.HOLDINGS)),
    "a gap down through every level": a_story(129, 99, 129),
    "a gap up through every exit": a_story(129, 99, 131, 105),
    "a window that moves": a_story(125, 119, 109, 121, 125, spec=a_spec(upper=D(130), slots=3, window=1)),
    "pause and resume": a_story(
        115, 109, 112, 118, 115, commands=_orders((3.0, Pause(grid=GRID)), (5.0, Resume(grid=GRID)))
    ),
    "a cancellation that loses the race": a_story(
        *_QUIET, 109, 115, latency_ms=900, commands=_orders((39.5, Pause(grid=GRID)))
    ),
    "freeze and thaw": a_story(
        115, 109, 121, 109, commands=_orders((1.0, Freeze(grid=GRID, slot=1)), (5.0, Thaw(grid=GRID, slot=1)))
    ),
    "stopped, and orders cancelled": a_story(
        115, 109, 115, 116, commands=_orders((3.0, Stop(grid=GRID, disposal=Disposal.CANCEL)))
    ),
    "stopped, and sold": a_story(
        115, 109, 112, 111, 110, 112, commands=_orders((3.0, Stop(grid=GRID, disposal=Disposal.FLATTEN)))
    ),
    "a fill that is told after its cancellation": a_story(
        *_QUIET,
        faults=FaultPlan(seed=5, hidden_fill_chance=D(1), hidden_ms_max=6_000),
        commands=_orders((10.0, Pause(grid=GRID)), (13.0, Resume(grid=GRID))),
    ),
    "answers lost": a_story(
        *_QUIET,
        109,
        121,
        faults=FaultPlan(seed=3, answer_lost_chance=D("0.5"), report_dropped_chance=D("0.5"), timeout_ms=900),
    ),
    "requests late": a_story(*_QUIET, 109, 121, faults=FaultPlan(seed=4, request_late_chance=D("0.5"), timeout_ms=900)),
    "reports that never come, behind a gap": a_story(
        115,
        109,
        121,
        faults=FaultPlan(disconnects=(Outage(from_ms=1_500, until_ms=3_500),)),
        commands=_orders((4.0, Reconcile(grid=GRID))),
    ),
    "dust, and a hand on the account": a_story(
        115,
        109,
        122,
        109,
        122,
        spec=_DUST,
        deeds=(
            Deed(at_seconds=1.0, name="hand1", side=Side.BUY, price=D(50), amount=D("0.3")),
            Deed(at_seconds=3.0, name="hand2"),
            Deed(at_seconds=5.0, name="hand3", currency="BTC", amount=D("0.2")),
        ),
    ),
} | MIGRATIONS
