"""A snapshot for scripts (the object of ``status --json``) and for people (a short table).

Promises: every amount is a decimal string, every time ISO 8601 in UTC; no text from
outside reaches a terminal raw. Keys are only ever added.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from engine.model.amounts import spans_text
from engine.model.money import text_from_decimal
from engine.model.snapshot import (
    BlockView,
    EngineEvent,
    EngineSnapshot,
    GridSnapshot,
    OrderView,
    ProfitView,
    QuestionView,
    SlotStateName,
    SlotView,
)
from engine.model.text import clean_text
from engine.model.times import time_text
from engine.model.words import price_text, words_of
from engine.status_sense import position_object, regime_object, risk_object
from engine.version import program_version

_SLOTS_BESIDE_PRICE = 6
_REFUSAL = re.compile(r"slot (\d{1,9}): (.*)", re.DOTALL)
"""How a reason begins that is of one slot alone."""
_FIGURES = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_QUESTIONS_IN_FULL = 10
"""Of a long list the beginning is read, and the command that answers must not scroll away."""


def status_from_snapshot(snapshot: EngineSnapshot, *, version: str | None = None) -> dict[str, Any]:
    """The status object; ``version`` is the running engine's, None where it runs in this very program."""
    return {
        "engine": {
            "state": snapshot.state.value,
            "reason": snapshot.state_reason,
            "mode": snapshot.mode.value,
            "exchange": snapshot.exchange,
            "exchange_id": snapshot.exchange_id or None,
            "sandbox": snapshot.is_sandbox,
            "on_exit": snapshot.on_exit.value,
            "connection": snapshot.connection.value,
            "time": time_text(snapshot.at_ms),
            "started": time_text(snapshot.started_ms),
            "sequence": snapshot.sequence,
            "version": program_version() if version is None else version,
            "speed": snapshot.speed,
            "loop_lag_ms": snapshot.loop_lag_ms,
            "parts": [
                {"name": part.name, "has_reported": part.has_reported, "detail": part.detail} for part in snapshot.parts
            ],
            "balances": {
                balance.currency: {
                    "free": text_from_decimal(balance.free),
                    "locked": text_from_decimal(balance.locked),
                }
                for balance in snapshot.balances
            },
        },
        "grids": [_grid(grid) for grid in snapshot.grids],
    }


def status_json(snapshot: EngineSnapshot, *, version: str | None = None) -> str:
    """The status object as indented ASCII JSON, without a newline at the end."""
    return json.dumps(status_from_snapshot(snapshot, version=version), indent=2)


def event_from_engine(event: EngineEvent) -> dict[str, Any]:
    """One event for scripts; ``grid`` and ``slot`` are null where the event has none."""
    return {
        "number": event.number,
        "time": time_text(event.at_ms),
        "level": event.level.value,
        "grid": event.grid or None,
        "slot": event.slot,
        "text": event.text,
    }


def event_text(event: EngineEvent) -> str:
    """One event for people, in one line."""
    where = clean_text(event.grid, 32) if event.grid else "engine"
    slot = "" if event.slot is None else f" slot {event.slot}"
    return f"{time_text(event.at_ms)} {event.level.value:<7} {where}{slot}: {clean_text(event.text, 1000)}"


def status_text(snapshot: EngineSnapshot, *, version: str | None = None) -> str:
    """The engine and its grids for people: each grid's money, and the slots around the price."""
    program = program_version() if version is None else version
    head = (
        f"gridwright {clean_text(program, 40)}  {snapshot.mode.value.upper()}"
        f"  {clean_text(snapshot.exchange, 60)} {snapshot.connection.value}"
        f"  engine {snapshot.state.value}  {time_text(snapshot.at_ms)}"
    )
    lines = [head]
    if snapshot.state_reason:
        lines.append(f"reason: {clean_text(snapshot.state_reason, 1000)}")
    lines += [
        f"waiting for {clean_text(part.name, 60)} {clean_text(part.detail)}".rstrip()
        for part in snapshot.parts
        if not part.has_reported
    ]
    for grid in snapshot.grids:
        lines += ["", *_grid_lines(grid)]
    return "\n".join(lines)


def _grid(grid: GridSnapshot) -> dict[str, Any]:
    return {
        "name": grid.name,
        "symbol": grid.symbol,
        "base": grid.base,
        "quote": grid.quote,
        "state": grid.state.value,
        "reason": grid.state_reason,
        "price": _text_or_none(grid.price),
        "price_time": None if grid.price is None else time_text(grid.price_at_ms),
        "anchor": _text_or_none(grid.anchor),
        "window": grid.window,
        "direction": grid.direction.value,
        "lattice_version": grid.lattice_version,
        "regime": regime_object(grid.regime),
        "risk": risk_object(grid.risk),
        "position": None if grid.position is None else position_object(grid.position),
        "blocks": [{"what": block.what, "reason": block.reason} for block in grid.blocks],
        "slots": [_slot(slot) for slot in grid.slots],
        "profit": _profit(grid.profit),
        "cash": text_from_decimal(grid.cash),
        "inventory": text_from_decimal(grid.inventory),
        "dust": text_from_decimal(grid.dust),
        "invested": text_from_decimal(grid.invested),
        "cycles": grid.cycles,
        "discrepancies": [_question(question) for question in grid.questions],
        "foreign_orders": grid.foreign_orders,
    }


def _slot(slot: SlotView) -> dict[str, Any]:
    return {
        "index": slot.index,
        "lower": text_from_decimal(slot.lower),
        "upper": text_from_decimal(slot.upper),
        "state": slot.state.value,
        "quantity": text_from_decimal(slot.quantity),
        "order": None if slot.order is None else _order(slot.order),
        "frozen": slot.freeze_reason,
        "cycles": slot.cycles,
        "profit": text_from_decimal(slot.profit),
        "cycle_profit": text_from_decimal(slot.cycle_profit),
        "entry_side": slot.entry_side.value,
    }


def _order(order: OrderView) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "side": order.side.value,
        "price": text_from_decimal(order.price),
        "amount": text_from_decimal(order.amount),
        "filled": text_from_decimal(order.filled),
        "status": order.status.value,
    }


def _profit(profit: ProfitView) -> dict[str, Any]:
    return {
        "grid": text_from_decimal(profit.grid),
        "floating": text_from_decimal(profit.floating),
        "fees": text_from_decimal(profit.fees),
        "total": text_from_decimal(profit.total),
        "funding": text_from_decimal(profit.funding),
        "residual": text_from_decimal(profit.residual),
        "fees_by_currency": {currency: text_from_decimal(fee) for currency, fee in profit.fees_by_currency},
    }


def _question(question: QuestionView) -> dict[str, Any]:
    return {
        "id": question.name,
        "kind": question.kind.value,
        "slot": question.slot,
        "client_order_id": question.client_order_id or None,
        "detail": question.detail,
        "choices": [choice.resolution.value for choice in question.choices],
        "proposed": question.proposed.value,
        "unanswered": question.unanswered,
        "since": time_text(question.asked_ms),
        "effects": {choice.resolution.value: choice.effect for choice in question.choices},
        "moves_money": [choice.resolution.value for choice in question.choices if choice.moves_money],
        "views": [
            {"name": row.name, "journal": row.journal, "memory": row.memory, "exchange": row.exchange}
            for row in question.rows
        ],
    }


def _text_or_none(value: Decimal | None) -> str | None:
    return None if value is None else text_from_decimal(value)


def _grid_lines(grid: GridSnapshot) -> list[str]:
    base, quote = clean_text(grid.base, 20), clean_text(grid.quote, 20)
    price = "no price yet" if grid.price is None else f"price {text_from_decimal(grid.price)}"
    reason = f" ({clean_text(grid.state_reason, 500)})" if grid.state_reason else ""
    profit = grid.profit
    states = Counter(slot.state for slot in grid.slots)
    counts = ", ".join(f"{states[name]} {words_of(name)}" for name in SlotStateName if states[name])
    near = _slots_around_price(grid)
    shown = f" ({len(near)} of {len(grid.slots)} shown, nearest the price)" if len(near) < len(grid.slots) else ""
    money = (
        f"total {_amount(profit.total)}  grid {_amount(profit.grid)}  floating {_amount(profit.floating)}"
        f"  fees {_amount(profit.fees)}  residual {text_from_decimal(profit.residual)} {quote}"
    )
    holds = (
        f"{text_from_decimal(grid.inventory)} {base} (dust {text_from_decimal(grid.dust)})"
        f"  cash {_amount(grid.cash)} {quote}  cycles {grid.cycles}"
    )
    blocks = _blocks_texts(grid.blocks)
    return [
        f"{clean_text(grid.name, 32)}  {clean_text(grid.symbol, 50)}  {words_of(grid.state)}{reason}  {price}",
        f"  profit    {money}",
        f"  holds     {holds}",
        *_sense_lines(grid),
        *(f"  blocked   {block}" for block in blocks),
        *_foreign_lines(grid.foreign_orders),
        *_questions_lines(grid),
        f"  slots     {len(grid.slots)}: {counts or 'none'}{shown}",
        *_table(near),
    ]


def _blocks_texts(blocks: Sequence[BlockView]) -> list[str]:
    """Every block once; slots that are refused alike but for the figures are one line, with those of the first."""
    texts: list[str] = []
    refused: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for block in blocks:
        found = _REFUSAL.fullmatch(block.reason)
        if found is None:
            texts.append(f"{clean_text(block.what, 60)}: {clean_text(block.reason, 500)}")
        else:
            refused.setdefault((block.what, _FIGURES.sub("", found[2])), []).append((int(found[1]), found[2]))
    for (what, _), slots in refused.items():
        reasons = {reason for _, reason in slots}
        noun, note = (
            ("slots" if len(slots) > 1 else "slot"),
            (" (the first; the others alike)" if len(reasons) > 1 else ""),
        )
        where = spans_text(sorted(slot for slot, _ in slots))
        texts.append(f"{clean_text(what, 60)}: {noun} {where}: {clean_text(slots[0][1], 500)}{note}")
    return texts


def _sense_lines(grid: GridSnapshot) -> list[str]:
    """The kind of market and the swap position, where there are any."""
    lines = []
    if grid.regime is not None:
        since = time_text(grid.regime.since_ms)
        reason = clean_text(grid.regime.reasons[0], 500)
        lines.append(f"  regime    {words_of(grid.regime.name)} since {since}: {reason}")
    if grid.position is not None:
        ends = grid.position.liquidation_price
        liquidation = "no liquidation price" if ends is None else f"liquidation at {price_text(ends, grid.tick_size)}"
        amount, funding = text_from_decimal(grid.position.amount), _amount(grid.position.funding)
        lines.append(
            f"  position  {amount} x{text_from_decimal(grid.position.leverage)}, {liquidation}, funding {funding}"
        )
    return lines


def _foreign_lines(count: int) -> list[str]:
    if count == 0:
        return []
    return [f"  foreign   {count} {'order' if count == 1 else 'orders'} on the account not ours, left alone"]


def _questions_lines(grid: GridSnapshot) -> list[str]:
    """The oldest questions in full, the others in one line each."""
    lines = [line for question in grid.questions[:_QUESTIONS_IN_FULL] for line in _question_lines(grid.name, question)]
    return lines + [_question_head(question) for question in grid.questions[_QUESTIONS_IN_FULL:]]


def _question_head(question: QuestionView) -> str:
    where = "" if question.slot is None else f" slot {question.slot}"
    order = f" order {clean_text(question.client_order_id, 40)}" if question.client_order_id else ""
    name = clean_text(question.name, 64)
    return f"  question  {name}: {words_of(question.kind)}{where}{order}, since {time_text(question.asked_ms)}"


def _question_lines(grid: str, question: QuestionView) -> list[str]:
    name = clean_text(question.name, 64)
    lines = [_question_head(question), f"            {clean_text(question.detail, 500)}"]
    for choice in question.choices:
        proposed = " (proposed)" if choice.resolution is question.proposed else ""
        lines.append(f"            {choice.resolution.value}{proposed}: {clean_text(choice.effect, 500)}")
    lines.append(f"            without an answer: {clean_text(question.unanswered, 500)}")
    answer = f"gridwright resolve {name} CHOICE --grid {clean_text(grid, 32)}"
    return [*lines, f"            answer with: {answer}"]


def _amount(value: Decimal) -> str:
    """Two digits after the point for the eye; ``--json`` has them all."""
    return f"{value:z.2f}"


def _slots_around_price(grid: GridSnapshot) -> Sequence[SlotView]:
    price = grid.price
    below = 0 if price is None else sum(1 for slot in grid.slots if slot.upper <= price)
    first = max(0, below - _SLOTS_BESIDE_PRICE)
    return grid.slots[first : below + _SLOTS_BESIDE_PRICE + 1]


def _table(slots: Iterable[SlotView]) -> list[str]:
    rows = [("slot", "lower", "upper", "state", "quantity", "order", "cycles", "profit")]
    for slot in reversed(tuple(slots)):
        frozen = "" if slot.freeze_reason is None else " (frozen)"
        rows.append(
            (
                str(slot.index),
                text_from_decimal(slot.lower),
                text_from_decimal(slot.upper),
                slot.state.value + frozen,
                text_from_decimal(slot.quantity),
                _order_text(slot.order),
                str(slot.cycles),
                _amount(slot.profit),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _order_text(order: OrderView | None) -> str:
    if order is None:
        return "-"
    filled, amount = text_from_decimal(order.filled), text_from_decimal(order.amount)
    return f"{order.side.value} {filled}/{amount} at {text_from_decimal(order.price)} {order.status.value}"
