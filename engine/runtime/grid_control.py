"""GridControl: what operators and the reconciler ask of one grid."""

from collections.abc import Callable, Sequence

from engine.core import corrections
from engine.core.books import GridBooks
from engine.core.corrections import Correction
from engine.core.lattice import make_lattice
from engine.core.preflight import preflight
from engine.model.commands import GridChange
from engine.model.errors import CommandRefused, SettingsInvalid
from engine.model.events import CancelRequested, DiscrepancyFound, DiscrepancyResolved, Fact, SlotFrozen, SlotThawed
from engine.model.grid import Disposal, GridState
from engine.model.order import OrderStatus
from engine.model.preflight import EditPreview, Preflight
from engine.model.reconcile import Discrepancy, Resolution
from engine.model.risk import BreakerKind
from engine.model.slot import Entering, Slot
from engine.model.words import stays_words, words_of
from engine.runtime.bookkeeper import GridBookkeeper
from engine.runtime.clock import Clock
from engine.runtime.coordinator import STOPPING_BY_WISH, GridCoordinator
from engine.runtime.fact_words import RESUMED_AFTER
from engine.runtime.swap_desk import LIQUIDATED

_RESTING = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
_STOPPABLE = (
    GridState.STARTING,
    GridState.RUNNING,
    GridState.PAUSED,
    GridState.EXITS_ONLY,
    GridState.STOPPING,
)


class GridControl:
    """Commands and corrections; each is in the journal with who asked for it, and followed by a decision."""

    def __init__(
        self,
        coordinator: GridCoordinator,
        *,
        clock: Clock,
        cancel: Callable[[str, str], None],
        look_again: Callable[[], None],
    ) -> None:
        self._coordinator = coordinator
        self._bookkeeper: GridBookkeeper = coordinator.bookkeeper
        self._books: GridBooks = coordinator.books
        self._clock = clock
        self._cancel = cancel
        self._look_again = look_again

    @property
    def frozen_slots(self) -> int:
        """How many slots nobody may touch."""
        return sum(slot.freeze_reason is not None for slot in self._books.slots_by_price)

    # By wish

    async def pause(self, by: str) -> None:
        """Open nothing new."""
        only_from = (GridState.RUNNING, GridState.STARTING)
        await self._change_state(GridState.PAUSED, None, "paused by wish", by, only_from=only_from)
        await self._coordinator.decide()

    async def resume(self, by: str) -> None:
        """Open again, after a pause, a stop, or a halt of this grid alone."""
        open_questions = {name: question.found.discrepancy for name, question in self._books.questions.items()}
        name = corrections.holding_question(open_questions)
        if name is not None:
            raise CommandRefused(f"answer question {name} first: {open_questions[name].detail}")
        only_from = (GridState.PAUSED, GridState.STOPPED, GridState.HALTED)
        reason = "resumed by wish"
        if self._books.state is GridState.HALTED and self._books.state_reason.startswith(LIQUIDATED):
            reason = f"{RESUMED_AFTER}{self._books.state_reason}"
        waits = self._books.spec.start is not None and not self._books.has_run
        state = GridState.STARTING if waits else GridState.RUNNING
        await self._change_state(state, None, reason, by, only_from=only_from)
        await self._coordinator.decide_afresh()

    async def stop(self, disposal: Disposal, by: str) -> None:
        """End the grid; done when its state is ``STOPPED``."""
        reason = f"{STOPPING_BY_WISH}{disposal}"
        await self._change_state(GridState.STOPPING, disposal, reason, by, only_from=_STOPPABLE)
        await self._coordinator.decide_afresh()

    async def freeze(self, index: int, by: str) -> None:
        """Touch a slot no more."""

        def make() -> Sequence[Fact]:
            reason = self._slot(index).freeze_reason
            if reason is not None:
                raise CommandRefused(f"slot {index} is already frozen: {reason}")
            return (SlotFrozen(slot=index, reason="frozen by wish", by=by),)

        self._slot(index)
        await self._bookkeeper.transition((index,), make)
        # Its place in the window is free for another slot.
        await self._coordinator.decide_afresh()

    async def thaw(self, index: int, by: str) -> None:
        """Let a frozen slot trade again."""

        def make() -> Sequence[Fact]:
            if self._slot(index).freeze_reason is None:
                raise CommandRefused(f"slot {index} is not frozen")
            for name, question in self._books.questions.items():
                if question.found.discrepancy.slot == index:
                    raise CommandRefused(f"answer question {name} first: {question.found.discrepancy.detail}")
            return (SlotThawed(slot=index, by=by),)

        self._slot(index)
        await self._bookkeeper.transition((index,), make)
        await self._coordinator.decide_afresh()

    async def panic(self, by: str) -> None:
        """The panic key: nothing opens until a person lifts the block."""
        guard = self._coordinator.guard
        await self._bookkeeper.put_in_force(lambda: guard.pressed(by, self._clock.now_ms()))
        await self._coordinator.decide_afresh()
        # While the streams are down nothing is decided, but what must go can be asked to go.
        await self._cancel_entries("the panic key")

    async def _cancel_entries(self, reason: str) -> None:
        """Ask for the end of every entry that rests, whether anything may be decided now or not."""
        resting = [slot.index for slot in self._books.slots if isinstance(slot.state, Entering)]
        facts = await self._bookkeeper.transition(resting, lambda: self._entry_cancellations(resting, reason))
        for fact in facts:
            if isinstance(fact, CancelRequested):
                self._cancel(self._books.spec.symbol, fact.client_order_id)

    def _entry_cancellations(self, indices: Sequence[int], reason: str) -> Sequence[Fact]:
        states = [self._books.slots[index].state for index in indices]
        orders = [state.order for state in states if isinstance(state, Entering)]
        return [
            CancelRequested(slot=order.slot, client_order_id=order.client_order_id, reason=reason)
            for order in orders
            if order.status in _RESTING and not order.is_cancel_requested
        ]

    async def lift(self, kind: BreakerKind, by: str) -> str:
        """End a block, and say what it changes; if its cause is still there, it is raised again.

        Raises:
            CommandRefused: there is no such block, or no price to judge it by.
        """
        coordinator, guard = self._coordinator, self._coordinator.guard

        def make() -> Sequence[Fact]:
            if coordinator.mark is None:
                raise CommandRefused("no price has come yet by which the block could be judged again")
            return guard.lifted(kind, coordinator.mark, by)

        await self._bookkeeper.put_in_force(make)
        await self._coordinator.decide_afresh()
        stays = stays_words(self._books.state)
        return f"{words_of(kind)} is lifted{f', but the grid {stays}' if stays else ''}"

    async def edit(self, change: GridChange, by: str) -> str:
        """Change the lattice while it runs; what became of it. Raises ``CommandRefused``."""
        mark = self._coordinator.mark
        if mark is None:
            raise CommandRefused("no price has come yet around which the lattice could be made")
        return await self._coordinator.migrator.edit(change, mark, by, self._coordinator.decide_soon)

    def preview(self, change: GridChange) -> EditPreview:
        """What an edit would do. Raises ``CommandRefused`` before the first price."""
        mark = self._coordinator.mark
        if mark is None:
            raise CommandRefused("no price has come yet around which the lattice could be made")
        return self._coordinator.migrator.preview(change, mark)

    def preflight(self) -> Preflight:
        """The grid as it would be started now. Raises ``CommandRefused``: it could not be."""
        books, mark = self._books, self._coordinator.mark
        if mark is None:
            raise CommandRefused("no price has come yet at which the grid could start")
        terms = self._coordinator.guard.edit_terms()
        try:
            lattice = make_lattice(books.spec, books.market, mark)
        except SettingsInvalid as impossible:
            raise CommandRefused(str(impossible)) from impossible
        return preflight(
            books.spec,
            books.market,
            lattice,
            mark,
            limits=terms.limits,
            stops=terms.stops,
            requests_per_minute=terms.requests_per_minute,
        )

    async def resolve(self, name: str, way: Resolution, by: str) -> str:
        """Answer a question; what was done about it, in words. Raises ``CommandRefused``."""
        done: list[Correction] = []
        outcomes: list[str] = []

        def make() -> Sequence[Fact]:
            question = self._books.questions.get(name)
            if question is None:
                raise CommandRefused(self._no_question(name))
            found = question.found.discrepancy
            choice = next((choice for choice in found.choices if choice.resolution is way), None)
            if choice is None:
                words = ", ".join(choice.resolution for choice in found.choices)
                raise CommandRefused(f"question {name}: expected one of {words}, found {way}")
            outcomes.append(choice.effect)
            if way is Resolution.QUERY:
                return ()
            correction = corrections.correct(self._books, found, way, by=by)
            done.append(correction)
            settled = corrections.settle(self._books, name, way, outcome=choice.effect, by=by)
            return (*correction.facts, *settled)

        await self._bookkeeper.transition(self._slots_of(name), make)
        self._carry_out(done)
        if way is Resolution.QUERY:
            self._look_again()
        await self._coordinator.decide_afresh()
        return outcomes[0]

    # By the reconciler

    async def correct(self, found: Discrepancy, way: Resolution, *, is_current: Callable[[], bool]) -> bool:
        """Resolve a discrepancy without asking, unless the books have moved on; whether that was done.

        What cannot be done any more becomes a question.
        """
        done: list[Correction] = []

        def make() -> Sequence[Fact]:
            if not is_current():
                return ()
            by = corrections.RECONCILER
            try:
                correction = corrections.correct(self._books, found, way, by=by)
            except CommandRefused:
                return corrections.ask(self._books, found)
            done.append(correction)
            name = corrections.next_name(self._books)
            effect = next((choice.effect for choice in found.choices if choice.resolution is way), "")
            return (
                DiscrepancyFound(name=name, discrepancy=found, asks=False),
                *correction.facts,
                DiscrepancyResolved(name=name, resolution=way, outcome=effect, by=by),
            )

        facts = await self._bookkeeper.transition(self._slots_about(found), make)
        self._carry_out(done)
        if facts:
            await self._coordinator.decide_afresh()
        return bool(facts)

    async def ask(self, found: Discrepancy, *, is_current: Callable[[], bool]) -> bool:
        """Put a discrepancy to a person, unless the books have moved on; whether that was done."""

        def make() -> Sequence[Fact]:
            return corrections.ask(self._books, found) if is_current() else ()

        facts = await self._bookkeeper.transition(self._slots_about(found), make)
        if facts:
            await self._coordinator.decide_afresh()
        return bool(facts)

    async def withdraw(self, name: str) -> None:
        """Close a question whose cause is gone."""

        def make() -> Sequence[Fact]:
            if name not in self._books.questions:
                return ()
            outcome = "books and exchange agree again"
            by = corrections.RECONCILER
            return corrections.settle(self._books, name, Resolution.QUERY, outcome=outcome, by=by)

        await self._bookkeeper.transition(self._slots_of(name), make)
        await self._coordinator.decide_afresh()

    async def take_note(self, fact: Fact) -> None:
        """Book something that needs no decision and no slot."""
        await self._bookkeeper.transition((), lambda: (fact,))

    def _carry_out(self, done: Sequence[Correction]) -> None:
        for correction in done:
            for client_order_id in correction.cancellations:
                self._cancel(self._books.spec.symbol, client_order_id)

    def _slots_of(self, name: str) -> Sequence[int]:
        question = self._books.questions.get(name)
        return () if question is None else self._slots_about(question.found.discrepancy)

    def _slots_about(self, found: Discrepancy) -> Sequence[int]:
        """The slots that a discrepancy may change; one about the holding may change them all."""
        return range(len(self._books.slots)) if found.slot is None else (found.slot,)

    def _no_question(self, name: str) -> str:
        number = name.removeprefix("q")
        if number.isdigit() and 0 < int(number) <= self._books.discrepancies:
            return f"question {name} is answered already"
        return f"expected an open question ({', '.join(self._books.questions) or 'there is none'}), found {name!r}"

    async def _change_state(
        self, state: GridState, disposal: Disposal | None, reason: str, by: str, *, only_from: tuple[GridState, ...]
    ) -> None:
        await self._bookkeeper.change_state(state, disposal, reason, by, only_from=only_from)

    def _slot(self, index: int) -> Slot:
        places = self._books.lattice.places
        if index not in places:
            last = len(places) - 1
            known = f"from 0 to {last}" if not self._books.lattice.ids else "that is in the lattice"
            raise CommandRefused(f"expected a slot {known}, found {index}")
        return self._books.slots[index]
