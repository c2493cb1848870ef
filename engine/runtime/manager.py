"""SlotManager: owns the slot table, the order index, the lattice and the grid's own money.

It turns what core wants into reservations: facts that stand from the moment of the
decision, before anything is awaited, so that no second decision can be made on them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core import ladder
from engine.core.books import GridBooks
from engine.core.ladder import GridView
from engine.core.lattice import Funds, funds_needed
from engine.model.actions import Action, CancelOrder, PlaceOrder, SetAside
from engine.model.errors import InvariantBroken
from engine.model.events import CancelRequested, DecisionNarrowed, Fact, LotSetAside, OrderIntended
from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.money import ZERO, text_from_decimal
from engine.model.order import TERMINAL_STATUSES, Order, OrderRequest, OrderStatus, Side
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

    def __init__(self, books: GridBooks, *, instance: str, funds: Funds) -> None:
        self.books = books
        self.locks = GridLocks(books.number, len(books.slots))
        self.funds = funds
        self.money_block: BlockView | None = None
        """Why the newest decision left out the entries of ``short_slots``."""
        self.short_slots: list[int] = []
        self._instance = instance

    def follow_market(self) -> None:
        """The market's rules have changed, and with them what the lattice can need."""
        self.funds = funds_needed(self.books.spec, self.books.market, self.books.lattice)

    def view(self) -> GridView:
        """The grid as core decides on it; not to be kept over an await."""
        books = self.books
        return GridView(
            market=books.market,
            lattice=books.lattice,
            slots=books.slots,
            state=books.state,
            disposal=books.disposal,
            window=books.spec.window,
            initial_purchase=books.spec.initial_purchase,
            dust=books.ledger.dust,
        )

    def reserve(
        self, actions: Iterable[Action], *, price_seen: Decimal, at_ms: int, unsettled: Collection[int] = ()
    ) -> tuple[SlotHold, Reservation]:
        """Reserve actions at once; refused without the manager lock.

        A slot that is between its reading and its durable transition is left out: the
        decision that follows the transition sees it as it then is. ``unsettled`` are the
        journal's sequences that the books do not have yet.
        """
        if not self.locks.manager.is_held:
            raise InvariantBroken("a decision was to be reserved without the manager lock")
        wanted = tuple(actions)
        hold, free = self.locks.hold_free_slots(action.slot for action in wanted)
        possible = [action for action in wanted if action.slot in free]
        reservation = self.reserve_free(possible, price_seen=price_seen, at_ms=at_ms)
        left_out = tuple(sorted({action.slot for action in wanted} - free))
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
        money = self.free_quote() if any(_is_purchase(action) for action in actions) else ZERO
        for action in actions:
            match action:
                case PlaceOrder():
                    cost = self._cost(action)
                    if cost > money:
                        self.short_slots.append(action.slot)
                        self.money_block = self.money_block or self._money_block(action, cost, money)
                        continue
                    money -= cost
                    intent = self._intent(action, price_seen)
                    requests.append(_request_of(intent, self.books.spec.symbol))
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

    def free_quote(self) -> Decimal:
        """The grid's own quote that no resting buy has bound: its funds, plus what trading did to them."""
        books = self.books
        bound = ZERO
        for slot in books.live_slots():
            order = order_of(slot)
            if order is not None and order.side is Side.BUY:
                bound += order.price * (order.amount - order.filled)
        return self.funds.quote + books.ledger.cash + books.ledger.adopted - bound

    def live_requests(self) -> list[tuple[OrderRequest, bool]]:
        """The orders that may be live on the exchange, as they were sent, and whether it ever acknowledged them."""
        symbol = self.books.spec.symbol
        orders = (order_of(slot) for slot in self.books.live_slots())
        return [(_request_of(order, symbol), order.status in _SEEN) for order in orders if order is not None]

    @property
    def is_wound_down(self) -> bool:
        return ladder.is_wound_down(self.view())

    def _cost(self, action: PlaceOrder) -> Decimal:
        match action.side:
            case Side.BUY:
                return action.price * action.amount
            case Side.SELL:
                return ZERO

    def _money_block(self, action: PlaceOrder, cost: Decimal, money: Decimal) -> BlockView:
        quote = self.books.market.quote
        return BlockView(
            what=f"entry of slot {action.slot}",
            reason=f"needs {text_from_decimal(cost)} {quote}, the grid has {text_from_decimal(money)} {quote} free",
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


def _request_of(order: Order | OrderIntended, symbol: str) -> OrderRequest:
    return OrderRequest(
        client_order_id=order.client_order_id,
        symbol=symbol,
        side=order.side,
        price=order.price,
        amount=order.amount,
        post_only=order.post_only,
    )


_SEEN = frozenset((OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)) | TERMINAL_STATUSES


def _is_purchase(action: Action) -> bool:
    return isinstance(action, PlaceOrder) and action.side is Side.BUY
