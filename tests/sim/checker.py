"""The independent checker: reads the history of a simulation (see ``history``) and says every violation in it.

It shares no code with the engine and believes nothing that the engine says of itself: it folds the
journal's payloads by its own arithmetic, and holds them against what happened on the exchange.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from hashlib import sha256
from types import SimpleNamespace as Box
from typing import Any

from tests.sim.checker_shapes import (
    NO_LOT,
    ZERO,
    Line,
    Shapes,
    base_of,
    join_late,
    lot_of,
    new_slot,
    order_of,
    plus,
    take_sides,
    trade_of,
)

D = Decimal
LEGS, SUMS = {"entry": "e", "exit": "x", "flatten": "f"}, ("cash", "base", "realised", "dust")
PLACED_WHILE = {"entry": ("running",), "exit": ("running", "paused", "exits_only"), "flatten": ("stopping",)}
CLOSED, SILENT = ("filled", "canceled", "rejected", "expired"), ("holding_noted", "window_changed", "decision_narrowed")
SENSED = ("regime_changed", "shadow_changed", "risk_marked")
OTHER = {"buy": "sell", "sell": "buy"}


def check(lines: Iterable[str]) -> list[str]:
    """Every violation in a history, in the order found; none in a good one."""
    checker = Checker()
    with localcontext(Context(prec=60, rounding=ROUND_FLOOR)):
        for number, line in enumerate(map(json.loads, lines), 1):
            try:
                getattr(checker, "on_" + line["what"])(line, line.get("client_order_id", ""))
            except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
                checker.found.append(f"line {number} cannot follow the ones before: {error!r} in {line}")
    return checker.found


class Checker(Shapes):
    """``intents`` are the journal's orders, ``there`` the exchange's; ``money`` is what the account must end with."""

    def __init__(self) -> None:
        self.found, self.hash, self.sequence = list[str](), "", 0
        self.grids, self.intents, self.there = Line(), Line(), Line()
        self.refused, self.resolved = set[str](), set[tuple[str, str]]()
        self.money = defaultdict[str, Decimal](Decimal)

    def on_start(self, line: Line, _: str) -> None:
        if not self.hash:
            self.prefix, self.markets = "g" + line["instance"], line["markets"]
            self.hash = sha256(f"gridwright journal|1|{line['instance']}|{line['created_ms']}".encode()).hexdigest()
            self.money.update({currency: D(amount) for currency, amount in line["balances"].items()})

    def on_crash(self, line: Line, _: str) -> None:
        """What was not durable never was; what is on its way may still arrive."""

    def on_transfer(self, line: Line, _: str) -> None:
        self.money[line["currency"]] += D(line["amount"])

    def on_record(self, line: Line, _: str) -> None:
        kind, name, number, fact = line["kind"], line["grid"], line["sequence"], json.loads(line["payload"])
        text = f"{self.hash}|{number}|{line['at_ms']}|{kind}|{len(name)}|{name}|{line['payload']}"
        expected = self.sequence + 1, self.hash, sha256(text.encode()).hexdigest()
        self.need((number, line["previous_hash"], line["hash"]) == expected, f"record {number} does not chain")
        self.sequence, self.hash = number, line["hash"]
        if kind == "grid_opened":
            self.need(name not in self.grids, f"record {number} opens grid {name} again")
            slots = [new_slot() for _ in fact["lattice"]["amounts"]]
            sums = {"cash": ZERO, "base": ZERO, "realised": ZERO, "dust": Box(lot=NO_LOT, order=None)}
            sums |= {"number": fact["number"], "market": fact["market"], "state": "starting", "blocks": []}
            self.grids[name] = Box(slots=slots, questions={}, **sums)
            take_sides(self.grids[name], fact["lattice"])
        else:
            grid = self.grids[name]
            slot = grid.dust if fact.get("slot") is None else grid.slots[fact["slot"]]
            getattr(self, "fact_" + kind, self.fact)(kind, grid, slot, fact)

    def fact(self, kind: str, grid: Any, slot: Any, fact: Line) -> None:
        if kind in ("slot_frozen", "slot_thawed"):
            slot.frozen = kind == "slot_frozen"
        elif kind in ("grid_state_changed", "market_adopted"):
            grid.state, grid.market = fact.get("state", grid.state), fact.get("market", grid.market)
        elif kind in ("cancel_requested", "order_released"):
            self.resolved.add((kind[:6], fact["client_order_id"]))
            slot.order = slot.order if kind == "cancel_requested" else None
        elif kind == "discrepancy_found":
            grid.questions[fact["name"]] = fact["discrepancy"]["client_order_id"]
        elif kind == "discrepancy_resolved":
            self.resolved.add((fact["resolution"], grid.questions.pop(fact["name"])))
        elif kind in ("lot_set_aside", "lot_adopted", "lot_corrected"):
            self.lot_changed(kind, grid, slot, fact)
        elif kind == "blocks_changed":
            grid.blocks = [block["kind"] for block in fact["blocks"]]
        elif kind not in SILENT + SENSED:
            raise LookupError(f"the unknown kind {kind}")

    def fact_order_intended(self, kind: str, grid: Any, slot: Any, fact: Line) -> None:
        name, leg, market, lot = fact["client_order_id"], fact["leg"], grid.market, lot_of(fact["dust"])
        order = order_of(fact, grid=grid, slot=slot, leg=leg)
        parts = name[:4], int(name[4:6], 36), name[6], int(name[7:10], 36)
        is_next = parts == (self.prefix, grid.number, LEGS[leg], fact["slot"]) and int(name[10:15], 36) >= slot.next
        self.need(is_next and name not in self.intents, f"I4: {name} is not the next id of slot {fact['slot']}")
        self.need(slot.order is None, f"I1: {name} is a second order of slot {fact['slot']}")
        due = name in self.there if fact.get("is_adopted") else grid.state in PLACED_WHILE[leg] and not slot.frozen
        self.need(due, f"I10: {leg} {name} was intended while {grid.state}, frozen is {slot.frozen}")
        is_open = leg != "entry" or not grid.blocks or fact.get("is_adopted")
        self.need(is_open, f"I10: {leg} {name} was intended while blocked by {grid.blocks}")
        fits = order.price % D(market["tick_size"]) == 0 == order.amount % D(market["lot_size"])
        fits = fits and D(market["amount_min"]) <= order.amount <= D(market["amount_max"])
        fits = fits and 0 < order.price * order.amount >= D(market["notional_min"])
        self.need(fits, f"I9: {name} of {order.amount} at {order.price} does not fit its market")
        dust, grid.dust.lot, slot.lot = grid.dust.lot[0], plus(grid.dust.lot, lot, -1), plus(slot.lot, lot)
        held, side = slot.lot[0], slot.side if leg == "entry" else OTHER[slot.side]
        fits = order.side == side and (held == 0 if leg == "entry" else order.amount <= abs(held))
        fits = fits and dust * grid.dust.lot[0] >= 0
        self.need(fits, f"I8: {leg} {name} is a {order.side} of {order.amount} on a lot of {held}")
        slot.offered, slot.next, slot.order, self.intents[name] = slot.lot, int(name[10:15], 36) + 1, order, order

    def fact_order_reported(self, kind: str, grid: Any, slot: Any, fact: Line) -> None:
        report, order, name = fact["report"], slot.order, fact["report"]["client_order_id"]
        if order is None or order.name != name:
            raise LookupError(f"I5: {name} is not the order of slot {fact['slot']}")
        truth = self.there.get(name, Box(fills={}, closed=True, filled=ZERO))
        for fill in report["fills"]:
            trade, told = fill["trade_id"], trade_of(fill)
            self.need(truth.fills.get(trade) == told, f"I3: trade {trade} of {name} was booked, it was not made so")
            if trade not in order.fills:
                order.fills[trade], order.filled = told, order.filled + told[1]
                self.book(grid, slot, order, *self.move(grid.market, order, *told))
        order.told, order.closed = max(order.told, D(report["filled"])), order.closed or report["status"] in CLOSED
        self.need(order.filled <= order.amount >= order.told, f"I5: {name} of {order.amount} is filled {order.told}")
        if order.closed and order.filled >= order.told:
            shown = truth.filled, truth.filled - getattr(truth, "hidden", ZERO)
            same = (truth.closed and order.filled in shown) or name in grid.questions.values()
            self.need(same, f"I2: {name} was closed with {order.filled} booked, it executed {truth.filled}")
            slot.order = None
            if not join_late(grid, slot) and order.leg != "entry" and order.filled == order.amount:
                grid.dust.lot, slot.lot = plus(grid.dust.lot, slot.lot), NO_LOT

    def book(self, grid: Any, slot: Any, order: Any, base: Decimal, cash: Decimal) -> None:
        grid.base, grid.cash, lot = grid.base + base, grid.cash + cash, slot.lot
        slot.lot = plus(lot, (base, -cash))
        if order.leg != "entry":
            rest, (offered, cost) = slot.lot[0], slot.offered
            share = cost if rest == offered else (cost * rest / offered).quantize(D("1e-12"))
            slot.lot, grid.realised = (rest, share), grid.realised + cash - (lot[1] - share)
            self.need(
                0 <= order.amount - order.filled <= abs(rest), f"I8: {order.name} exceeds the rest of its lot, {rest}"
            )

    def on_hidden(self, line: Line, name: str) -> None:
        self.there[name].hidden = self.there[name].fills[line["trade_id"]][1]

    def on_sent(self, line: Line, name: str) -> None:
        leg, state = self.intents[name].leg, self.intents[name].grid.state
        self.need(state in PLACED_WHILE[leg], f"I10: {leg} {name} was sent while its grid was {state}")

    def on_arrived(self, line: Line, name: str) -> None:
        order, self.arrived = self.intents.get(name), order_of(line)
        self.need(name not in self.there and name not in self.refused, f"I4: {name} arrived again")
        told = self.arrived.side, self.arrived.price, self.arrived.amount
        same = order and order.slot.order is order and told == (order.side, order.price, order.amount)
        self.need(same, f"I6: {name} arrived as {told}, and no such intent stands")

    def on_rejected(self, line: Line, name: str) -> None:
        self.refused |= {name} if line["is_final"] else set()

    def on_accepted(self, line: Line, name: str) -> None:
        self.there[name] = self.arrived
        slot = self.intents[name].slot
        slot.there = [other for other in slot.there if not other.closed] + [self.arrived]
        self.need(len(slot.there) == 1, f"I1: {name} is live on the exchange beside {slot.there[0].name}")

    def on_foreign(self, line: Line, name: str) -> None:
        self.there[name] = order_of(line)

    def on_cancel(self, line: Line, name: str) -> None:
        is_due = ("cancel", name) in self.resolved and name.startswith(self.prefix)
        self.need(is_due, f"{name} was cancelled, nobody had asked for that")

    def on_fill(self, line: Line, name: str) -> None:
        order, told, trade = self.there[name], trade_of(line), line["trade_id"]
        fits = (told[0] <= order.price if order.side == "buy" else told[0] >= order.price) and not order.closed
        fits = fits and trade not in order.fills and order.filled + told[1] <= order.amount
        self.need(fits, f"the exchange filled {name} twice, closed, too far or beyond its price: {told}")
        order.fills[trade], order.filled = told, order.filled + told[1]

    def on_closed(self, line: Line, name: str) -> None:
        order = self.there[name]
        fits = not order.closed and (order.filled == order.amount) == (line["status"] == "filled")
        self.need(fits and D(line["filled"]) == order.filled, f"the exchange closed {name} at {order.filled}: {line}")
        order.closed = True

    def on_end(self, line: Line, _: str) -> None:
        if line["books"] is None:
            return
        asked = {name for grid in self.grids.values() for name in grid.questions.values()}
        asked |= {name for way, name in self.resolved if way == "release"}
        for name, order in self.there.items():
            mine = self.intents.get(name)
            for trade in order.fills.keys() - (mine.fills if mine else {}):
                self.need(mine is None or name in asked, f"I5: trade {trade} of {name} was never booked")
                self.move(self.markets[order.symbol], order, *order.fills[trade])
        self.swaps_at_end(line)
        for currency, amount in line["balances"].items():
            self.need(D(amount) == self.money[currency], f"I3: the account holds {amount} {currency}: {self.money}")
        there = {name for name, order in self.there.items() if not order.closed}
        ours = {name for name in there if name.startswith(self.prefix)} - asked
        self.need(there == set(line["open_orders"]), f"open orders {line['open_orders']}, the history says {there}")
        live = {slot.order.name for grid in self.grids.values() for slot in grid.slots if slot.order}
        self.need(live - asked == ours, f"I2: live in the books {live}, on the exchange {ours}")
        for name, grid in self.grids.items():
            books, base = line["books"][name], base_of(grid.market)
            told = [D(books[key]) for key in SUMS], [(D(slot["quantity"]), slot["order"]) for slot in books["slots"]]
            slots = [(slot.lot[0] + slot.late[0], slot.order and slot.order.name) for slot in grid.slots]
            folded = [grid.cash, grid.base, grid.realised, grid.dust.lot[0]], slots
            self.need(told == folded, f"I3: the books of {name} are {told}, the journal says {folded}")
            self.need(list(grid.questions) == line["questions"][name], f"{name}: the journal asks {grid.questions}")
            held = sum((other.base for other in self.grids.values() if base_of(other.market) == base), ZERO)
            position = line.get("positions", {}).get(base, {"amount": line["balances"].get(base)})
            has = held <= D(position["amount"]) or grid.state == "halted" or grid.questions
            self.need(has, f"I3: the lots on {name}'s market are {held}, the account holds less")
