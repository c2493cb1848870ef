"""Scenes of an engine that asks: open questions of several kinds, beside those of ``scenes``."""

from dataclasses import replace
from decimal import Decimal

from engine.model.grid import GridState
from engine.model.reconcile import Choice, DiscrepancyKind, Resolution, ViewRow
from engine.model.snapshot import BlockView, EngineSnapshot, GridSnapshot, PartView, QuestionView
from tests import scenes

ORDER_ID = "gabc01e00700003k"


def view_row(name: str, journal: str, memory: str, exchange: str) -> ViewRow:
    """One property in the three views."""
    return ViewRow(name=name, journal=journal, memory=memory, exchange=exchange)


def choice(resolution: Resolution, effect: str, *, moves_money: bool = False) -> Choice:
    """One way out."""
    return Choice(resolution=resolution, effect=effect, moves_money=moves_money)


HALT = choice(Resolution.HALT, "halts the grid: nothing is placed or cancelled, its orders stay")


def vanished(**changes: object) -> QuestionView:
    """Slot 7's entry was shown by the exchange and is gone."""
    base = QuestionView(
        name="q1",
        kind=DiscrepancyKind.VANISHED_ORDER,
        slot=7,
        client_order_id=ORDER_ID,
        detail=(
            f"order {ORDER_ID} was on the exchange, which now does not know it, 0.0004 of 0.00166 booked: "
            "is this the account this journal belongs to? Then release it; else restore that account"
        ),
        rows=(
            view_row("status", "partially_filled", "partially_filled", "-"),
            view_row("side", "buy", "buy", "-"),
            view_row("price", "54800", "54800", "-"),
            view_row("amount", "0.00166", "0.00166", "-"),
            view_row("filled", "0.0004", "0.0004", "-"),
        ),
        choices=(
            choice(Resolution.QUERY, "asks the exchange again; changes nothing"),
            choice(
                Resolution.RELEASE,
                "closes the order in the books with 0.0004 filled; the slot trades again, with a new order",
                moves_money=True,
            ),
            HALT,
        ),
        proposed=Resolution.QUERY,
        unanswered="the slot stays frozen: nothing is placed or cancelled there, fills are still booked",
        asked_ms=scenes.AT_MS - 125_000,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def holding_short(**changes: object) -> QuestionView:
    """The account holds less than the lots."""
    base = QuestionView(
        name="q1",
        kind=DiscrepancyKind.HOLDING_SHORT,
        slot=None,
        client_order_id="",
        detail="the account holds 0.0294, the lots of its grids are 0.0315: 0.0021 is missing",
        rows=(view_row("base held", "0.0315", "0.0315", "0.0294"),),
        choices=(
            choice(
                Resolution.WRITE_OFF,
                "books 0.0021 as lost, at its cost; places and cancels nothing",
                moves_money=True,
            ),
            choice(
                Resolution.QUERY, "looks again with the next comparison; the grid only exits until it is there again"
            ),
            HALT,
        ),
        proposed=Resolution.WRITE_OFF,
        unanswered="the grid only exits: nothing new opens",
        asked_ms=scenes.AT_MS - 61_000,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def second_instance(**changes: object) -> QuestionView:
    """Another engine's order is on the market."""
    name = "gzzz01e00c00001p"
    base = QuestionView(
        name="q2",
        kind=DiscrepancyKind.SECOND_INSTANCE,
        slot=None,
        client_order_id=name,
        detail=f"order {name} was placed by another engine: two engines on one market would undo each other's work",
        rows=(
            view_row("status", "-", "-", "open"),
            view_row("side", "-", "-", "buy"),
            view_row("price", "-", "-", "56800"),
        ),
        choices=(
            choice(
                Resolution.KEEP,
                "goes on although the other engine may trade here too; its orders are not touched",
                moves_money=True,
            ),
            HALT,
        ),
        proposed=Resolution.HALT,
        unanswered="the grid stays halted: nothing is placed or cancelled",
        asked_ms=scenes.AT_MS - 9_000,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


COMPARED = "2020-03-12T08:14:02.000Z: 24 orders compared, nothing to correct"


def reconciled(*grids: GridSnapshot) -> EngineSnapshot:
    """An engine that has compared its books with the exchange."""
    part = PartView(name="reconciliation", has_reported=True, detail=COMPARED)
    return scenes.engine(*grids, parts=(*scenes.PARTS, part))


def with_questions() -> EngineSnapshot:
    """Three questions about two grids, which both have a q1; slot 7 of the first is frozen by its own."""
    slots = list(scenes.ladder(Decimal("56412.37")))
    slots[7] = replace(slots[7], freeze_reason="question q1: vanished order")
    btc = scenes.grid(
        Decimal("56412.37"),
        slots=tuple(slots),
        blocks=(BlockView(what="openings", reason="question q2: second instance"),),
        questions=(vanished(), second_instance()),
        foreign_orders=2,
    )
    eth = scenes.grid(
        name="eth",
        symbol="ETH/USDT",
        base="ETH",
        state=GridState.EXITS_ONLY,
        state_reason="question q1: holding short",
        questions=(holding_short(),),
    )
    return reconciled(btc, eth)
