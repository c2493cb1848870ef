"""What the account holds against what the grids' lots add up to: coin by currency, swap positions by symbol."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.core.ledger import Ledger
from engine.core.reconcile import holding_key
from engine.exchange.port import Balance, Exchange
from engine.model.market import is_swap
from engine.model.money import ZERO
from engine.model.reconcile import Discrepancy, DiscrepancyKind
from engine.model.swap import Position
from engine.runtime.account_view import answered
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.grid_control import GridControl


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciledGrid:
    """One grid as the reconciler reaches it."""

    coordinator: GridCoordinator
    control: GridControl

    @property
    def name(self) -> str:
        return self.coordinator.books.spec.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What the account has, and the ledgers of the grids as they were when it was asked; by ``holding_key``."""

    grids: Mapping[str, Sequence[ReconciledGrid]]
    ledgers: Mapping[str, Sequence[Ledger]]
    balances: Mapping[str, Balance]
    positions: Mapping[str, Position]

    def amount(self, key: str) -> Decimal:
        """The coin or the position."""
        if is_swap(key):
            position = self.positions.get(key)
            return ZERO if position is None else position.amount
        balance = self.balances.get(key)
        return ZERO if balance is None else balance.free + balance.locked

    def has_moved(self, key: str) -> bool:
        """Whether something was booked since it was asked."""
        return not are_same(ledgers_of(self.grids[key]), self.ledgers[key])


async def look_at_holdings(exchange: Exchange, grids: Mapping[str, Sequence[ReconciledGrid]]) -> Holdings:
    """Ask for balances, and for positions where a swap is traded."""
    by_key: dict[str, list[ReconciledGrid]] = {}
    for of_symbol in grids.values():
        for grid in of_symbol:
            by_key.setdefault(holding_key(grid.coordinator.books.market), []).append(grid)
    ledgers = {key: ledgers_of(of_key) for key, of_key in by_key.items()}
    balances = await answered(exchange.fetch_balances)
    has_swaps = any(map(is_swap, by_key))
    positions = await answered(exchange.fetch_positions) if has_swaps else {}
    return Holdings(grids=by_key, ledgers=ledgers, balances=balances, positions=positions)


def owner_of(found: Discrepancy, grids: Sequence[ReconciledGrid]) -> ReconciledGrid:
    """Whose question a holding is: what is missing is taken from the grid that holds most, once asked that one's."""
    if found.kind is not DiscrepancyKind.HOLDING_SHORT:
        return grids[0]
    for grid in grids:
        questions = grid.coordinator.books.questions.values()
        if any(question.found.discrepancy.kind is found.kind for question in questions):
            return grid
    return max(grids, key=lambda grid: grid.coordinator.books.ledger.base)


def ledgers_of(grids: Sequence[ReconciledGrid]) -> list[Ledger]:
    """The ledgers of some grids as they are now; none ever changes."""
    return [grid.coordinator.books.ledger for grid in grids]


def are_same(some: Sequence[Ledger], others: Sequence[Ledger]) -> bool:
    """Whether nothing was booked between the two looks."""
    return all(map(operator.is_, some, others))
