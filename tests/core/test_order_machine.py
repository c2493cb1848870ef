"""The order machine under every interleaving: an exchange tells the truth in any order, an engine asks when it likes.

Beside the order stands the exchange's own order. What it says of itself lies in ``mail`` until a rule
delivers it: in turn, late, twice, torn apart, or never; our own executor's words (sent, unknown) come
in between. Whatever happened, the order ends as the exchange's, and as any other order of the same
reports would have ended.
"""

from dataclasses import replace
from decimal import Decimal
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.core.orders import apply_report
from engine.model.money import ZERO
from engine.model.order import TERMINAL_STATUSES, Fill, Order, OrderReport, OrderStatus
from tests.builders import a_fill, a_report, an_order

D = Decimal
LOTS = 20
RANKS = {
    OrderStatus.INTENT: 0,
    OrderStatus.SENT: 1,
    OrderStatus.UNKNOWN: 2,
    OrderStatus.OPEN: 3,
    OrderStatus.PARTIALLY_FILLED: 4,
    **dict.fromkeys(TERMINAL_STATUSES, 5),
}


class OrderMachine(RuleBasedStateMachine):
    """One order of twenty lots, the truth about it, and all that was ever said of it."""

    def __init__(self) -> None:
        super().__init__()
        self.order = an_order()
        self.truth: OrderStatus | None = None
        self.reason = ""
        self.fills: list[Fill] = []
        self.mail: list[OrderReport] = []
        self.applied: list[OrderReport] = []
        self.booked: list[str] = []

    # The exchange

    @precondition(lambda self: self.truth is None)
    @rule()
    def accept(self) -> None:
        self._turn(OrderStatus.OPEN)

    @precondition(lambda self: self.truth is None)
    @rule(how=st.sampled_from([OrderStatus.REJECTED, OrderStatus.EXPIRED]))
    def refuse(self, how: OrderStatus) -> None:
        self._turn(how, reason="it would have taken")

    @precondition(lambda self: self.is_live)
    @rule(lots=st.integers(1, LOTS // 3), price=st.integers(100, 150), is_stale=st.booleans())
    def fill(self, lots: int, price: int, is_stale: bool) -> None:
        """A stream of executions may still carry the status from before."""
        left = self.order.amount - self.filled
        amount = min(D(lots) * self.order.amount / LOTS, left)
        number = len(self.fills)
        fill = a_fill(str(number), price=price, amount=amount, fee=amount / 1000, at_ms=number // 2)
        self.fills.append(fill)
        if is_stale:
            self.mail.append(a_report(self.order, OrderStatus.OPEN, fill, filled=self.filled))
        self._turn(OrderStatus.FILLED if amount == left else OrderStatus.PARTIALLY_FILLED, fill)

    @precondition(lambda self: self.is_live)
    @rule(how=st.sampled_from([OrderStatus.CANCELED, OrderStatus.EXPIRED]))
    def close(self, how: OrderStatus) -> None:
        """By our cancellation, or by the exchange itself."""
        self._turn(how, reason="closed")

    # The stream, the executor and the one who asks

    @precondition(lambda self: self.mail)
    @rule()
    def deliver(self) -> None:
        self._apply(self.mail.pop(0))

    @precondition(lambda self: self.mail)
    @rule(random=st.randoms(use_true_random=False))
    def deliver_out_of_turn(self, random: Random) -> None:
        self._apply(self.mail.pop(random.randrange(len(self.mail))))

    @precondition(lambda self: self.mail)
    @rule()
    def deliver_and_keep(self) -> None:
        self._apply(self.mail[0])

    @precondition(lambda self: self.applied)
    @rule(random=st.randoms(use_true_random=False))
    def tell_again(self, random: Random) -> None:
        """However late, what was told changes nothing the second time."""
        before = self.order
        self._apply(random.choice(self.applied))
        assert self.order == before

    @precondition(lambda self: self.mail)
    @rule()
    def disconnect(self) -> None:
        self.mail.clear()

    @rule(status=st.sampled_from([OrderStatus.SENT, OrderStatus.UNKNOWN]))
    def guess(self, status: OrderStatus) -> None:
        """The executor's own words carry no execution and never outrank the exchange's."""
        self._apply(a_report(self.order, status, reason="no answer" if status is OrderStatus.UNKNOWN else ""))

    @precondition(lambda self: self.truth is not None)
    @rule()
    def ask(self) -> None:
        """The full report: the order is the exchange's, to the last execution."""
        self._apply(self._full())
        assert (self.order.filled, self.order.reported_filled) == (self.filled, self.filled)
        assert {fill.trade_id for fill in self.order.fills} == {fill.trade_id for fill in self.fills}
        assert self.order.is_settled == (self.truth in TERMINAL_STATUSES)

    @precondition(lambda self: self.truth is not None)
    @rule()
    def ask_and_answer_late(self) -> None:
        self.mail.append(self._full())

    # What always holds

    @invariant()
    def filled_is_the_sum_of_the_fills_and_never_more_than_was_told_or_ordered(self) -> None:
        order = self.order
        assert order.filled == sum((fill.amount for fill in order.fills), ZERO)
        assert order.filled <= order.reported_filled <= self.filled <= order.amount
        assert len({fill.trade_id for fill in order.fills}) == len(order.fills)

    @invariant()
    def every_booked_fill_is_one_that_happened_and_was_news_once(self) -> None:
        assert set(self.order.fills) <= set(self.fills)
        assert sorted(self.booked) == sorted(fill.trade_id for fill in self.order.fills)

    @invariant()
    def an_execution_shows_in_the_status(self) -> None:
        assert not self.order.filled or RANKS[self.order.status] >= RANKS[OrderStatus.PARTIALLY_FILLED]
        assert not self.order.is_terminal or self.order.status is self.truth
        assert not self.order.is_settled or (self.order.is_terminal and self.order.filled == self.filled)

    def teardown(self) -> None:
        """Any permutation with repetitions of all that was told ends in the same order."""
        for seed in range(4):
            shuffled = [*self.applied, *self.applied[:3]]
            Random(seed).shuffle(shuffled)
            other = an_order()
            for report in shuffled:
                change = apply_report(other, report)
                other = other if change is None else change.order
            assert other == self.order

    @property
    def is_live(self) -> bool:
        return self.truth in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)

    @property
    def filled(self) -> Decimal:
        return sum((fill.amount for fill in self.fills), ZERO)

    def _turn(self, status: OrderStatus, *fills: Fill, reason: str = "") -> None:
        self.truth, self.reason = status, reason
        self.mail.append(a_report(self.order, status, *fills, filled=self.filled, reason=reason))

    def _full(self) -> OrderReport:
        assert self.truth is not None
        return a_report(self.order, self.truth, *self.fills, reason=self.reason)

    def _apply(self, report: OrderReport) -> None:
        before = self.order
        change = apply_report(before, report)
        self.applied.append(report)
        if change is None:
            return
        after = self.order = change.order
        self.booked += [fill.trade_id for fill in change.new_fills]
        assert RANKS[after.status] >= RANKS[before.status]
        assert not before.is_terminal or after.status is before.status
        assert after.filled == before.filled + sum((fill.amount for fill in change.new_fills), ZERO)
        assert after.reported_filled >= before.reported_filled
        assert _nature(after) == _nature(before)
        assert apply_report(after, report) is None


def _nature(order: Order) -> Order:
    """An order without what reports change in it."""
    return replace(order, status=OrderStatus.INTENT, filled=ZERO, reported_filled=ZERO, fills=(), reason="")


TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = settings(stateful_step_count=25)
