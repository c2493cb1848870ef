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
        take_sides(slots, fact["lattice"])
        left = [index for index, each in enumerate(slots) if index not in here and (each.order or each.lot[0])]
        self.need(not left, f"I8: slots {left} leave the lattice with what they have")

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
    return Box(order=None, lot=NO_LOT, next=0, frozen=False, there=[], side="buy")


def take_sides(slots: list[Any], lattice: Line) -> None:
    """The sides of the entries of a lattice, by identity; all buy where none are named."""
    ids = lattice["ids"] or range(len(lattice["amounts"]))
    for index, side in zip(ids, lattice["sides"] or ["buy"] * len(lattice["amounts"]), strict=True):
        slots[index].side = side


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
