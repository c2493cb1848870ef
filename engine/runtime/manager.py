"""SlotManager: owns the slot table, the order index, the lattice and the grid's own money.

It turns what core wants into reservations: facts that stand from the moment of the
decision, before anything is awaited, so that no second decision can be made on them.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core.books import GridBooks
from engine.core.grid_view import GridView, view_of
from engine.core.purse import NOTHING, Purse, cost_of, free_purse
from engine.core.wind_down import is_wound_down
from engine.model.actions import Action, CancelOrder, PlaceOrder, SetAside
from engine.model.errors import InvariantBroken
from engine.model.events import CancelRequested, DecisionNarrowed, Fact, LotSetAside, OrderIntended
from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.money import text_from_decimal
from engine.model.order import TERMINAL_STATUSES, Leg, Order, OrderRequest, OrderStatus, Side
from engine.model.slot import order_of
from engine.model.snapshot import BlockView
from engine.runtime.locks import GridLocks, SlotHold


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What was decided and now stands: facts for the journal, then requests and cancellations to send."""

    facts: tuple[Fact, ...]
    requests: tuple[OrderRequest, ...]
    cancellations: tuple[str, ...]


class SlotManager:
    """One grid's slots behind their locks."""

    def __init__(self, books: GridBooks, *, instance: str) -> None:
        self.books = books
        self.locks = GridLocks(books.number, len(books.slots))
        self.funds = books.funds
        self.money_block: BlockView | None = None
        """Why the newest decision left out the entries of ``short_slots``."""
        self.short_slots: list[int] = []
        self.withheld: frozenset[int] = frozenset()
        """Slots in which nothing is done, because the lattice is about to change there."""
        self._instance = instance

    def follow_lattice(self) -> None:
        """The market's rules or the lattice have changed, and with them what the grid may need."""
        self.funds = self.books.funds
        self.locks.grow(len(self.books.slots))

    def view(self) -> GridView:
        """The grid as core decides on it; not to be kept over an await."""
        return view_of(self.books)

    def reserve(
        self,
        actions: Iterable[Action],
        *,
        price_seen: Decimal,
        at_ms: int,
        unsettled: Collection[int] = (),
        refuse: Callable[[Sequence[Action]], Collection[int]] = lambda _: (),
    ) -> tuple[SlotHold, Reservation]:
        """Reserve actions at once; refused without the manager lock.

        ``refuse`` is the risk gate: of what could be done now it names the slots whose action must not be.

        A slot that is between its reading and its durable transition is left out: the
        decision that follows the transition sees it as it then is. ``unsettled`` are the
        journal's sequences that the books do not have yet.
        """
        if not self.locks.manager.is_held:
            raise InvariantBroken("a decision was to be reserved without the manager lock")
        wanted = {action.slot: action for action in actions}
        hold, free = self.locks.hold_free_slots(wanted.keys() - self.withheld)
        possible = [action for slot, action in wanted.items() if slot in free]
        refused = frozenset(refuse(possible))
        allowed = [action for action in possible if action.slot not in refused]
        reservation = self.reserve_free(allowed, price_seen=price_seen, at_ms=at_ms)
        left_out = tuple(sorted((wanted.keys() - free) | refused))
        if reservation.facts and (left_out or unsettled):
            narrowed = DecisionNarrowed(left_out=left_out, unsettled=tuple(sorted(unsettled)))
            reservation = replace(reservation, facts=(narrowed, *reservation.facts))
        return hold, reservation

    def reserve_free(self, actions: Sequence[Action], *, price_seen: Decimal, at_ms: int) -> Reservation:
        """Reserve actions on slots that nobody else holds, in their order; what the money is short of is left out."""
        facts: list[Fact] = []
        requests: list[OrderRequest] = []
        cancellations: list[str] = []
        self.money_block = None
        self.short_slots = []
        has_entry = any(isinstance(action, PlaceOrder) and action.leg is Leg.ENTRY for action in actions)
        money = self.free() if has_entry else NOTHING
        for action in actions:
            match action:
                case PlaceOrder():
                    cost = cost_of(action, self.books.market, self.books.spec)
                    if not money.covers(cost):
                        self.short_slots.append(action.slot)
                        self.money_block = self.money_block or self._money_block(action, cost, money)
                        continue
                    money = money.minus(cost)
                    intent = self._intent(action, price_seen)
                    requests.append(self._request_of(intent))
                    fact: Fact = intent
                case CancelOrder():
                    fact = CancelRequested(
                        slot=action.slot,
                        client_order_id=action.client_order_id,
                        reason=action.reason,
                        price_seen=price_seen,
                    )
                    cancellations.append(action.client_order_id)
                case SetAside():
                    fact = LotSetAside(slot=action.slot, reason=action.reason, price_seen=price_seen)
            self.books.apply(fact, at_ms)
            facts.append(fact)
        return Reservation(facts=tuple(facts), requests=tuple(requests), cancellations=tuple(cancellations))

    def free(self) -> Purse:
        """The grid's own money that nothing has bound."""
        return free_purse(self.books, self.funds)

    def live_requests(self) -> list[tuple[OrderRequest, bool]]:
        """The orders that may be live on the exchange, as they were sent, and whether it ever acknowledged them."""
        orders = (order_of(slot) for slot in self.books.live_slots())
        return [(self._request_of(order), order.status in _SEEN) for order in orders if order is not None]

    @property
    def is_wound_down(self) -> bool:
        return is_wound_down(self.view())

    def _money_block(self, action: PlaceOrder, cost: Purse, money: Purse) -> BlockView:
        market = self.books.market
        need, have, currency = (
            (cost.quote, money.quote, market.quote) if cost.quote else (cost.base, money.base, market.base)
        )
        return BlockView(
            what=f"entry of slot {action.slot}",
            reason=f"needs {_text(need)} {currency}, the grid has {_text(have)} {currency} free",
        )

    def _intent(self, action: PlaceOrder, price_seen: Decimal) -> OrderIntended:
        slot = self.books.slots[action.slot]
        key = OrderKey(
            instance=self._instance,
            grid=self.books.number,
            slot=slot.index,
            leg=action.leg,
            generation=slot.generation,
        )
        return OrderIntended(
            slot=slot.index,
            client_order_id=client_order_id_from_key(key),
            leg=action.leg,
            side=action.side,
            price=action.price,
            amount=action.amount,
            post_only=action.post_only,
            dust=action.dust,
            price_seen=price_seen,
            reason=action.reason,
        )

    def _request_of(self, order: Order | OrderIntended) -> OrderRequest:
        return OrderRequest(
            client_order_id=order.client_order_id,
            symbol=self.books.spec.symbol,
            side=order.side,
            price=order.price,
            amount=order.amount,
            post_only=order.post_only,
            reduce_only=order.leg is not Leg.ENTRY and self._has_position_against(order),
        )

    def _has_position_against(self, order: Order | OrderIntended) -> bool:
        """Whether the whole order makes a swap position smaller; in a neutral grid it may turn one around."""
        if self.books.market.swap is None:
            return False
        held = self.books.ledger.base
        return order.amount <= (held if order.side is Side.SELL else -held)


_text = text_from_decimal
_SEEN = frozenset((OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)) | TERMINAL_STATUSES
