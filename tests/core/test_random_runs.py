# ruff: noqa: N802 -- an invariant is named as it is written
"""Random histories of a grid: the books balance after every fact, and its facts alone make it again.

The market moves, orders fill in part, reports are lost, doubled and shuffled, orders are refused,
an operator pauses, freezes and stops. Everything runs where an inexact sum or product would raise.
"""

from collections.abc import Callable
from decimal import Decimal, Inexact, localcontext
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from engine.core.books import GridBooks
from engine.core.ledger import Ledger
from engine.model.events import GridOpened, LotAdopted, SlotFrozen, SlotThawed
from engine.model.grid import Disposal, GridState, InitialPurchase
from engine.model.market import FeeCurrency
from engine.model.money import ZERO
from engine.model.order import OrderStatus
from engine.model.slot import Exiting, Lot, Slot, order_of
from tests.builders import a_market, a_spec, a_state, an_opening
from tests.core.harness import GridRun

D = Decimal


def assert_books_balance(books: GridBooks, mark: Decimal) -> None:
    """I1, I2, I3, I8 and I13 of the design, on the books alone."""
    ledger = books.ledger
    held = ledger.dust
    for lot in books.lots():
        assert lot.quantity >= 0
        assert lot.cost_quote >= 0
        held = held.plus(lot)
    assert held.quantity == ledger.base
    assert ledger.dust.quantity >= 0
    assert ledger.dust.cost_quote >= 0
    assert books.profit(mark).residual == ZERO
    live = {order.client_order_id: slot.index for slot in books.slots if (order := order_of(slot))}
    assert live == books.slot_of_order
    for slot in books.slots:
        if isinstance(slot.state, Exiting):
            assert slot.state.order.amount - slot.state.order.filled <= slot.state.lot.quantity


Step = Callable[[GridRun, Random], None]
Seen = tuple[tuple[Slot, ...], Ledger, dict[str, int], GridState]


def look_at(books: GridBooks) -> Seen:
    """All that a grid is, at this moment."""
    return tuple(books.slots), books.ledger, dict(books.slot_of_order), books.state


def moves_to(cents: int) -> Step:
    return lambda run, random: run.exchange.move(D(cents) / 100)


def fills_some(percent: int) -> Step:
    def step(run: GridRun, random: Random) -> None:
        if run.exchange.live:
            order = random.choice(list(run.exchange.live.values()))
            amount = run.books.market.floor_amount((order.intent.amount - order.filled) * percent / 100)
            if amount:
                run.exchange.fill(order, amount)

    return step


def refuses(status: OrderStatus) -> Step:
    def step(run: GridRun, random: Random) -> None:
        run.refuse_next = status

    return step


def goes(state: GridState, disposal: Disposal | None = None) -> Step:
    return lambda run, random: run.record(a_state(state, disposal))


def freezes(run: GridRun, random: Random) -> None:
    run.record(SlotFrozen(slot=random.randrange(10), reason="by wish", by="test"))


def thaws(run: GridRun, random: Random) -> None:
    for slot in run.books.slots:
        if slot.freeze_reason is not None:
            run.record(SlotThawed(slot=slot.index, by="test"))


def shuffles_mail(run: GridRun, random: Random) -> None:
    mail = run.exchange.mail
    if not mail:
        return
    mail += random.choices(mail, k=len(mail) // 2)
    random.shuffle(mail)


def loses_mail(run: GridRun, random: Random) -> None:
    mail = run.exchange.mail
    run.exchange.mail = [report for report in mail if random.random() < 0.5]


def reads_and_acts(run: GridRun, random: Random) -> None:
    run.read()
    run.act()


def asks(run: GridRun, random: Random) -> None:
    run.ask()


def waits(run: GridRun, random: Random) -> None:
    """Nothing happens."""


happenings = st.one_of(
    st.builds(moves_to, st.integers(9500, 20500)),
    st.builds(moves_to, st.integers(13000, 17000)),
    st.builds(fills_some, st.integers(1, 100)),
    st.sampled_from(
        [
            freezes,
            thaws,
            asks,
            refuses(OrderStatus.REJECTED),
            refuses(OrderStatus.EXPIRED),
            goes(GridState.PAUSED),
            goes(GridState.RUNNING),
            goes(GridState.RUNNING),
            goes(GridState.RUNNING),
            goes(GridState.STOPPING, Disposal.CANCEL),
            goes(GridState.STOPPING, Disposal.FLATTEN),
            goes(GridState.STOPPING, Disposal.LEAVE),
        ]
    ),
)
mails = st.sampled_from([waits, waits, waits, shuffles_mail, loses_mail])
answers = st.sampled_from([reads_and_acts, reads_and_acts, reads_and_acts, waits])


@st.composite
def openings(draw: st.DrawFn) -> GridOpened:
    """Grids with fine and coarse lots, few and many places, fees taken either way."""
    market = a_market(
        fee_currency=draw(st.sampled_from(FeeCurrency)),
        lot_size=draw(st.sampled_from([D("0.00001"), D("0.1")])),
        notional_min=draw(st.sampled_from([D(5), D(60)])),
    )
    spec = a_spec(
        size=draw(st.sampled_from([D(1), D("1.23457")])),
        window=draw(st.integers(1, 10)),
        initial_purchase=draw(st.sampled_from(InitialPurchase)),
    )
    return an_opening(spec, market, anchor=draw(st.sampled_from([150, 105, 250])))


History = list[tuple[Step, Step, Step]]
"""What happens, what becomes of the mail about it, and whether the grid looks."""


def a_history(
    opened: GridOpened,
    history: History,
    random: Random,
    after_fact: Callable[[GridRun], None] | None = None,
) -> GridRun:
    """A grid after a history; ``after_fact`` looks at it after every fact."""
    run = GridRun(opened, after_fact=after_fact)
    run.exchange.price = opened.lattice.anchor
    if opened.spec.initial_purchase is InitialPurchase.HOLDINGS:
        for slot in [slot for slot in run.books.slots if slot.is_initial]:
            lot = Lot(quantity=slot.amount, cost_quote=slot.amount * opened.lattice.anchor)
            run.record(LotAdopted(slot=slot.index, lot=lot))
    run.act()
    for happening, mail, answer in history:
        happening(run, random)
        mail(run, random)
        answer(run, random)
    return run


histories = st.lists(st.tuples(happenings, mails, answers), min_size=10, max_size=40)
randoms = st.builds(Random, st.integers(0, 2**32))


@given(openings(), histories, randoms)
def test_I3_I13_the_books_balance_after_every_fact_and_end_as_the_exchange_does(
    opened: GridOpened, history: History, random: Random
) -> None:
    """After the last word on every order the ledger is the account, to the last unit."""

    def check(run: GridRun) -> None:
        assert_books_balance(run.books, run.exchange.price)

    with localcontext() as context:
        context.traps[Inexact] = True
        run = a_history(opened, history, random, check)
        run.ask()
        run.read()
        ledger = run.books.ledger
        adopted = sum((fact.lot.quantity for fact in run.facts if isinstance(fact, LotAdopted)), ZERO)
        assert ledger.base == run.exchange.base + adopted
        assert ledger.cash == run.exchange.cash - ledger.adopted
        assert run.books.slot_of_order.keys() == run.exchange.live.keys()
        assert_books_balance(run.books, D("61250.37"))


@given(openings(), histories, randoms)
def test_the_facts_alone_make_the_same_grid_again_at_every_prefix(
    opened: GridOpened, history: History, random: Random
) -> None:
    """Slots, ledger, order index and state; a restart is this and nothing else."""
    seen: list[Seen] = []
    run = a_history(opened, history, random, lambda run: seen.append(look_at(run.books)))
    again = GridBooks(opened)
    for at_ms, (fact, then) in enumerate(zip(run.facts, seen, strict=True)):
        again.apply(fact, at_ms)
        assert look_at(again) == then
    ids = run.exchange.orders
    assert [again.booked_of_closed(text) for text in ids] == [run.books.booked_of_closed(text) for text in ids]


@given(openings(), histories, randoms)
def test_flattening_at_the_end_of_any_history_leaves_nothing_but_dust(
    opened: GridOpened, history: History, random: Random
) -> None:
    run = a_history(opened, history, random)
    thaws(run, random)
    run.refuse_next = None
    run.record(a_state(GridState.STOPPING, Disposal.FLATTEN))
    for _ in range(3):
        run.ask()
        run.settle()
    books, ledger = run.books, run.books.ledger
    assert books.state is GridState.STOPPED
    assert books.slot_of_order == {}
    assert run.exchange.live == {}
    assert ledger.base == ledger.dust.quantity
    assert ledger.cash + ledger.dust.cost_quote == ledger.realised
