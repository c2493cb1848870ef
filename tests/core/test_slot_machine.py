# ruff: noqa: N802 -- an invariant is named as it is written
"""Slots and books under every interleaving: decisions, requests on their way, reports in any order, restarts.

What a grid decides is on its way until a rule lets it arrive, refuses it or loses it; what the exchange
says lies in the mail until a rule delivers it: in turn, late, twice, or never. Nothing is sent twice, and
an outcome that is unknown stays so until it is told.
"""

from collections.abc import Iterable
from decimal import Decimal
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core.books import GridBooks
from engine.model.actions import Action, CancelOrder, PlaceOrder, SetAside
from engine.model.events import (
    CancelRequested,
    Fact,
    GridOpened,
    LotAdopted,
    OrderIntended,
    OrderReported,
    SlotFrozen,
    SlotThawed,
)
from engine.model.grid import Disposal, GridState, InitialPurchase
from engine.model.market import FeeCurrency
from engine.model.money import ZERO
from engine.model.order import Leg, Order, OrderReport, OrderStatus
from engine.model.slot import EMPTY, Empty, Entering, Exiting, Holding, Lot
from tests.builders import a_market, a_report, a_spec, a_state, an_opening
from tests.core.harness import GridRun
from tests.core.test_order_machine import RANKS
from tests.core.test_random_runs import assert_books_balance, look_at

D = Decimal
SLOTS = 4
START = D(121)
RANDOM = st.randoms(use_true_random=False)


class SlowRun(GridRun):
    """A grid whose requests take their time: they are in ``requests`` and ``cancels`` until they arrive."""

    def __init__(self, opened: GridOpened) -> None:
        self.requests: list[OrderIntended] = []
        self.cancels_on_their_way: list[str] = []
        self.heard: dict[str, list[tuple[int, OrderReport]]] = {}
        super().__init__(opened)

    def hear(self, report: OrderReport) -> None:
        """Take in a report; an order that ends with it leaves exactly what it must."""
        name = report.client_order_id
        index = self.books.slot_of_order.get(name)
        # Counted before: a report may bring more facts than its own, such as a freeze.
        self.heard.setdefault(name, []).append((len(self.facts), report))
        super().hear(report)
        if index is not None and name not in self.books.slot_of_order:
            truth = self.exchange.orders[name]
            is_entry = truth.intent.leg is Leg.ENTRY
            is_left = truth.filled > 0 if is_entry else truth.filled < truth.intent.amount
            assert isinstance(self.books.slots[index].state, Holding if is_left else Empty)

    def _do(self, action: Action) -> None:
        match action:
            case PlaceOrder():
                intent = self._intent(action)
                self.record(intent)
                self.requests.append(intent)
            case CancelOrder():
                name = action.client_order_id
                self.record(CancelRequested(slot=action.slot, client_order_id=name, reason=action.reason))
                self.cancels_on_their_way.append(name)
            case SetAside():
                super()._do(action)


class SlotMachine(RuleBasedStateMachine):
    """Four slots from 100 to 140; the price starts at 121."""

    @initialize(
        lot=st.sampled_from([D("0.00001"), D("0.1")]),
        fees=st.sampled_from(FeeCurrency),
        notional_min=st.sampled_from([D(5), D(60)]),
        window=st.integers(1, SLOTS),
        purchase=st.sampled_from(InitialPurchase),
        swing=st.sampled_from([(), (121, 105, 121)]),
    )
    def open(
        self,
        lot: Decimal,
        fees: FeeCurrency,
        notional_min: Decimal,
        window: int,
        purchase: InitialPurchase,
        swing: tuple[int, ...],
    ) -> None:
        market = a_market(fee_currency=fees, lot_size=lot, notional_min=notional_min)
        spec = a_spec(upper=D(140), slots=SLOTS, size=D("1.23457"), window=window, initial_purchase=purchase)
        self.opened = an_opening(spec, market, anchor=START)
        self.grid = SlowRun(self.opened)
        self.before: dict[str, Order] = {}
        if purchase is InitialPurchase.HOLDINGS:
            for slot in [slot for slot in self.grid.books.slots if slot.is_initial]:
                held = Lot(quantity=slot.amount, cost_quote=slot.amount * START)
                self.grid.record(LotAdopted(slot=slot.index, lot=held))
        self.grid.exchange.move(START)
        self.grid.act()
        for price in swing:
            self.go_on_undisturbed(price)

    # The market

    @rule(cents=st.one_of(st.integers(9500, 14500), st.sampled_from([11000, 12000, 13000, 14001])))
    def tick(self, cents: int) -> None:
        self.grid.exchange.move(D(cents) / 100)

    @precondition(lambda self: self.grid.exchange.live)
    @rule(percent=st.integers(1, 99), random=RANDOM, is_last=st.sampled_from([False, False, True]))
    def fill_in_part(self, percent: int, random: Random, is_last: bool) -> None:
        order = random.choice(list(self.grid.exchange.live.values()))
        amount = self.opened.market.floor_amount((order.intent.amount - order.filled) * percent / 100)
        if amount:
            self.grid.exchange.fill(order, amount)
        if is_last:
            self._close(order.intent.client_order_id, OrderStatus.CANCELED)

    @precondition(lambda self: self.grid.exchange.live)
    @rule(random=RANDOM, how=st.sampled_from([OrderStatus.EXPIRED, OrderStatus.CANCELED]))
    def close_unasked(self, random: Random, how: OrderStatus) -> None:
        """The exchange ends an order by itself, or somebody did by hand."""
        self._close(random.choice(list(self.grid.exchange.live)), how)

    # The grid

    @rule()
    def decide(self) -> None:
        self.grid.act()

    @rule(price=st.sampled_from([105, 115, 121, 125, 135]))
    def go_on_undisturbed(self, price: int) -> None:
        """For a while nothing is late and nothing is lost."""
        grid = self.grid
        grid.exchange.move(D(price))
        while grid.requests:
            grid.exchange.place(grid.requests.pop(0))
        grid.read()
        grid.act()

    @rule(
        state=st.sampled_from([GridState.RUNNING, GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY]),
    )
    def change_state(self, state: GridState) -> None:
        self.grid.record(a_state(state))
        self.grid.act()

    @rule(disposal=st.sampled_from(Disposal))
    def stop(self, disposal: Disposal) -> None:
        self.grid.record(a_state(GridState.STOPPING, disposal))
        self.grid.act()

    @rule(index=st.integers(0, SLOTS - 1))
    def freeze_or_thaw(self, index: int) -> None:
        is_frozen = self.grid.books.slots[index].freeze_reason is not None
        fact = SlotThawed(slot=index, by="test") if is_frozen else SlotFrozen(slot=index, reason="wish", by="test")
        self.grid.record(fact)

    # Requests on their way

    @precondition(lambda self: self.grid.requests)
    @rule(random=RANDOM)
    def arrive(self, random: Random) -> None:
        self.grid.exchange.place(self._any_request(random))

    @precondition(lambda self: self.grid.requests)
    @rule(random=RANDOM, how=st.sampled_from([OrderStatus.REJECTED, OrderStatus.EXPIRED]))
    def refuse(self, random: Random, how: OrderStatus) -> None:
        self.grid.exchange.refuse(self._any_request(random), how)

    @precondition(lambda self: self.grid.requests)
    @rule(random=RANDOM)
    def lose_a_request_for_ever(self, random: Random) -> None:
        """After its life the executor knows that it never arrived."""
        self.grid.exchange.refuse(self._any_request(random), OrderStatus.CANCELED)

    @rule(random=RANDOM, status=st.sampled_from([OrderStatus.UNKNOWN, OrderStatus.SENT]))
    def do_not_know(self, random: Random, status: OrderStatus) -> None:
        orders = self.grid.live_orders()
        if orders:
            self.grid.hear(a_report(random.choice(orders), status, reason="no answer came"))

    @precondition(lambda self: self.grid.cancels_on_their_way)
    @rule(random=RANDOM)
    def cancel(self, random: Random) -> None:
        """It may have lost the race: then the order was filled or closed, and the answer says so again."""
        names = self.grid.cancels_on_their_way
        self.grid.exchange.cancel(names.pop(random.randrange(len(names))))

    # Reports on their way

    @precondition(lambda self: self.grid.exchange.mail)
    @rule()
    def deliver(self) -> None:
        self.grid.hear(self.grid.exchange.mail.pop(0))

    @precondition(lambda self: self.grid.exchange.mail)
    @rule(random=RANDOM)
    def deliver_out_of_turn(self, random: Random) -> None:
        mail = self.grid.exchange.mail
        self.grid.hear(mail.pop(random.randrange(len(mail))))

    @precondition(lambda self: self.grid.exchange.mail)
    @rule(random=RANDOM)
    def deliver_and_keep(self, random: Random) -> None:
        self.grid.hear(random.choice(self.grid.exchange.mail))

    @precondition(lambda self: self.grid.heard)
    @rule(random=RANDOM)
    def tell_again(self, random: Random) -> None:
        """Whatever was told before, of orders long closed too, is no news."""
        _, report = random.choice(self.grid.heard[random.choice(sorted(self.grid.heard))])
        before = look_at(self.grid.books), len(self.grid.facts)
        self.grid.hear(report)
        assert (look_at(self.grid.books), len(self.grid.facts)) == before

    @rule()
    def disconnect_and_ask(self) -> None:
        """The stream is gone with all that it had to say; what is asked for comes whole."""
        self.grid.exchange.mail.clear()
        self._ask()

    # Restart

    @rule()
    def restart(self) -> None:
        again = self._folded(enumerate(self.grid.facts))
        assert look_at(again) == look_at(self.grid.books)
        self.grid.books = again
        self.grid.exchange.mail.clear()

    # What always holds

    @invariant()
    def I1_I3_I8_I13_the_books_balance(self) -> None:
        assert_books_balance(self.grid.books, self.grid.exchange.price)

    @invariant()
    def I2_every_order_that_may_be_live_is_the_order_of_its_slot_and_of_no_other(self) -> None:
        grid = self.grid
        may_live = [*grid.exchange.live, *(intent.client_order_id for intent in grid.requests)]
        assert set(may_live) <= grid.books.slot_of_order.keys()
        assert len(set(grid.books.slot_of_order.values())) == len(grid.books.slot_of_order)
        assert len(set(may_live)) == len(may_live)

    @invariant()
    def rank_only_rises_and_filled_only_grows_and_never_above_the_truth(self) -> None:
        now = {order.client_order_id: order for order in self.grid.live_orders()}
        for name, order in now.items():
            resting = self.grid.exchange.orders.get(name)
            assert order.filled <= order.reported_filled <= (ZERO if resting is None else resting.filled)
            assert order.reported_filled <= order.amount
            was = self.before.get(name, order)
            assert RANKS[was.status] <= RANKS[order.status]
            assert was.filled <= order.filled
            assert was.reported_filled <= order.reported_filled
            assert was.is_cancel_requested <= order.is_cancel_requested
        self.before = now

    @invariant()
    def a_state_holds_only_what_is_true_in_it(self) -> None:
        for slot in self.grid.books.slots:
            state = slot.state
            if isinstance(state, Entering | Exiting):
                assert not state.order.is_settled
            if isinstance(state, Exiting):
                assert state.lot.quantity <= state.offered.quantity
            assert state == EMPTY or not slot.is_initial or isinstance(state, Entering)

    def teardown(self) -> None:
        """When all is told, the books are the account's, to the last unit."""
        if not hasattr(self, "grid"):
            return
        grid = self.grid
        while grid.requests:
            grid.exchange.place(grid.requests.pop())
        self._ask()
        books, adopted = grid.books, [fact for fact in grid.facts if isinstance(fact, LotAdopted)]
        assert books.ledger.base == grid.exchange.base + sum((fact.lot.quantity for fact in adopted), ZERO)
        assert books.ledger.cash == grid.exchange.cash - books.ledger.adopted
        assert books.slot_of_order.keys() == grid.exchange.live.keys()
        self.I1_I3_I8_I13_the_books_balance()
        for name in sorted(grid.heard):
            self._tell_in_another_order(name, Random(len(grid.facts)))

    def _tell_in_another_order(self, name: str, random: Random) -> None:
        """I5: any permutation of one order's reports, with repetitions, ends in the same slot and ledger."""
        facts = list(enumerate(self.grid.facts))
        mine = [at_ms for at_ms, fact in facts if is_report_of(fact, name)]
        if not mine:
            return
        until = mine[-1] + 1
        told = [report for count, report in self.grid.heard[name] if count < until]
        told += random.choices(told, k=2)
        random.shuffle(told)
        other = self._folded((at_ms, fact) for at_ms, fact in facts[:until] if not is_report_of(fact, name))
        for report in told:
            index = other.slot_of_order.get(name)
            change = None if index is None else other.foresee(other.slots[index], report)
            if change is not None:
                other.settle(change, 0)
        assert look_at(other) == look_at(self._folded(facts[:until]))

    def _close(self, client_order_id: str, how: OrderStatus) -> None:
        order = self.grid.exchange.live.pop(client_order_id)
        order.status = how
        self.grid.exchange.mail.append(order.report())

    def _any_request(self, random: Random) -> OrderIntended:
        return self.grid.requests.pop(random.randrange(len(self.grid.requests)))

    def _ask(self) -> None:
        for name in list(self.grid.books.slot_of_order):
            order = self.grid.exchange.orders.get(name)
            if order is not None:
                self.grid.hear(order.report(*order.fills))

    def _folded(self, facts: Iterable[tuple[int, Fact]]) -> GridBooks:
        books = GridBooks(self.opened)
        for at_ms, fact in facts:
            books.apply(fact, at_ms)
        return books


def is_report_of(fact: Fact, client_order_id: str) -> bool:
    return isinstance(fact, OrderReported) and fact.report.client_order_id == client_order_id


TestSlotMachine = SlotMachine.TestCase
TestSlotMachine.settings = settings(stateful_step_count=40)
