"""The checker's arithmetic of shapes: slots that sell first, lattices that change, and positions instead of coins.

As the checker it shares no code with the engine.
"""

from collections import defaultdict
from decimal import Decimal
from types import SimpleNamespace as Box
from typing import Any

Line = dict[str, Any]
Lot = tuple[Decimal, Decimal]
D, ZERO, NO_LOT = Decimal, Decimal(0), (Decimal(0), Decimal(0))


class Shapes:
    """What a checker does with money, lattices and positions; ``found`` is what was not as it must be."""

    found: list[str]
    money: defaultdict[str, Decimal]
    markets: Line
    resolved: set[tuple[str, str]]
    intents: Line
    there: Line

    def need(self, holds: object, text: str) -> None:
        if not holds:
            self.found.append(text)

    def move(self, market: Line, order: Any, price: Decimal, amount: Decimal, fee: Decimal, currency: str) -> Lot:
        """Move the money of an execution; what it did to base and quote."""
        sign = 1 if order.side == "buy" else -1
        base = base_of(market)
        moved = {base: sign * amount, market["quote"]: -sign * price * amount}
        moved[currency] = moved.get(currency, ZERO) - fee
        for name, change in moved.items():
            self.money[name] += change
        return moved[base], moved[market["quote"]]

    def lot_changed(self, kind: str, grid: Any, slot: Any, fact: Line) -> None:
        """Base that was there came into a lot, or went out of it: to the dust, or for good."""
        lot = lot_of(fact["lot"]) if "lot" in fact else slot.lot
        sign, spent = (1, "cash") if kind == "lot_adopted" else (-1, "realised")
        before, slot.lot, is_free = slot.lot[0], plus(slot.lot, lot, sign), slot.order is None
        fits = is_free and (before * slot.lot[0] >= 0 if before else slot.lot[0] >= 0)
        self.need(fits, f"I8: {kind} leaves {slot.lot[0]}, without an order is {is_free}")
        if kind == "lot_set_aside":
            grid.dust.lot = plus(grid.dust.lot, lot)
        else:
            grid.base += sign * lot[0]
            setattr(grid, spent, getattr(grid, spent) - lot[1])

    def fact_lattice_migrated(self, kind: str, grid: Any, slot: Any, fact: Line) -> None:
        slots = grid.slots
        here = fact["lattice"]["ids"] or range(len(fact["lattice"]["amounts"]))
        slots.extend(new_slot() for _ in range(len(slots), max(here) + 1))
        for move in fact["moved"]:
            source, target = slots[move["source"]], slots[move["target"]]
            is_free = source.order is None is target.order
            self.need(is_free, f"I8: a lot moves from slot {move['source']} to {move['target']} beside an order")
            source.lot, target.lot = NO_LOT, plus(target.lot, source.lot)
        take_sides(grid, fact["lattice"])
        left = [index for index, each in enumerate(slots) if index not in here and (each.order or each.lot[0])]
        self.need(not left, f"I8: slots {left} leave the lattice with what they have")

    def fact_late_fill_booked(self, kind: str, grid: Any, slot: Any, fact: Line) -> None:
        name = fact["client_order_id"]
        order, truth = self.intents[name], self.there[name]
        self.need(order.closed and order is not slot.order, f"I5: {name} was told late, it was not closed")
        for fill in fact["fills"]:
            trade, told = fill["trade_id"], trade_of(fill)
            is_new = truth.fills.get(trade) == told and trade not in order.fills
            self.need(is_new, f"I5: trade {trade} of {name} was booked late, it was not made so, or was booked before")
            order.fills[trade], order.filled = told, order.filled + told[1]
            base, cash = self.move(grid.market, order, *told)
            grid.base, grid.cash = grid.base + base, grid.cash + cash
            take_late(grid, slot, (base, -cash), is_here=fact["slot"] in grid.here)
        self.need(order.filled <= order.amount, f"I5: {name} of {order.amount} is filled {order.filled}")

    def fact_funding_booked(self, kind: str, grid: Any, slot: Any, fact: Line) -> None:
        told, amount = fact["payment"]["funding_id"], D(fact["payment"]["amount"])
        self.need(("fund", told) not in self.resolved, f"I3: the funding {told} was booked twice")
        self.resolved.add(("fund", told))
        grid.cash, self.money[grid.market["quote"]] = grid.cash + amount, self.money[grid.market["quote"]] + amount

    def fact_position_liquidated(self, kind: str, grid: Any, slot: Any, fact: Line) -> None:
        told, held = fact["liquidation"], grid.dust.lot
        for each in grid.slots:
            held, each.lot = plus(held, each.lot), NO_LOT
        cash = held[0] * D(told["price"]) - D(told["fee"]) + D(told["insured"])
        grid.cash, grid.realised, grid.base = grid.cash + cash, grid.realised + cash - held[1], grid.base - held[0]
        grid.dust.lot = NO_LOT
        self.money[grid.market["quote"]] += cash - D(told["insured"])
        self.money[base_of(grid.market)] -= held[0]

    def swaps_at_end(self, line: Line) -> None:
        """Positions are what was traded, and the wallet knows what they were entered at."""
        for currency, amount in line.get("insured", {}).items():
            self.money[currency] += D(amount)
        for symbol, position in line.get("positions", {}).items():
            # What a position was entered at is still in the wallet, or was brought into it by selling first.
            is_so = D(position["amount"]) == self.money[symbol]
            self.need(is_so, f"I3: the position is {position['amount']}: {self.money}")
            self.money[self.markets[symbol]["quote"]] += D(position["cost"])


def new_slot() -> Any:
    """A slot of an identity that was never in a lattice."""
    return Box(order=None, lot=NO_LOT, late=NO_LOT, next=0, frozen=False, there=[], side="buy")


def take_sides(grid: Any, lattice: Line) -> None:
    """The slots of a lattice and the sides of their entries, by identity; all buy where none are named."""
    grid.here = list(lattice["ids"] or range(len(lattice["amounts"])))
    for index, side in zip(grid.here, lattice["sides"] or ["buy"] * len(lattice["amounts"]), strict=True):
        grid.slots[index].side = side


def take_late(grid: Any, slot: Any, lot: Lot, *, is_here: bool) -> None:
    """What a closed order turns out to have done: to its slot, beside the lot that an exit offers, or to the dust."""
    if not is_here:
        grid.dust.lot = plus(grid.dust.lot, lot)
    elif slot.order is not None and slot.order.leg != "entry":
        slot.late = closed_against(grid, slot.late, lot)
    else:
        join(grid, slot, lot)


def join_late(grid: Any, slot: Any) -> bool:
    """What has come or gone beside an exit joins the slot now that the exit has ended; whether there was any."""
    late, slot.late = slot.late, NO_LOT
    if late != NO_LOT:
        join(grid, slot, late)
    return bool(late != NO_LOT)


def join(grid: Any, slot: Any, lot: Lot) -> None:
    """A lot joins that of a slot; what lies on the side on which the slot does not enter is dust."""
    both = closed_against(grid, slot.lot, lot)
    is_its_own = both[0] * (1 if slot.side == "buy" else -1) > 0
    slot.lot = both if is_its_own else NO_LOT
    grid.dust.lot = grid.dust.lot if is_its_own else plus(grid.dust.lot, both)


def closed_against(grid: Any, one: Lot, other: Lot) -> Lot:
    """Two lots as one; where they lie on opposite sides, the smaller is closed, which realises a profit."""
    both = plus(one, other)
    if one[0] * other[0] >= 0:
        return both
    greater = one if abs(one[0]) > abs(other[0]) else other
    cost = (greater[1] * both[0] / greater[0]).quantize(D("1e-12"))
    grid.realised += cost - both[1]
    return both[0], cost


def base_of(market: Line) -> str:
    """What a market's amounts are counted in: a position of a swap is no coin of the account."""
    return str(market["symbol"]) if market.get("swap") else str(market["base"])


def order_of(line: Line, **more: Any) -> Any:
    """An order as a line or a payload has it, with nothing filled."""
    more |= {"price": D(line["price"]), "amount": D(line["amount"]), "filled": ZERO, "told": ZERO, "fills": {}}
    return Box(name=line["client_order_id"], side=line["side"], symbol=line.get("symbol"), closed=False, **more)


def trade_of(line: Line) -> tuple[Decimal, Decimal, Decimal, str]:
    return D(line["price"]), D(line["amount"]), D(line["fee"]), line["fee_currency"]


def lot_of(line: Line) -> Lot:
    return D(line["quantity"]), D(line["cost_quote"])


def plus(lot: Lot, other: Lot, sign: int = 1) -> Lot:
    return lot[0] + sign * other[0], lot[1] + sign * other[1]
