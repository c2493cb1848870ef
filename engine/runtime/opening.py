"""Opening grids: from the journal if they are in it, from the first price if they are new."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from engine.core import breakers
from engine.core.books import GridBooks
from engine.core.lattice import Funds, funds_needed, make_lattice
from engine.core.preflight import preflight
from engine.core.purse import own_base, own_quote
from engine.exchange.port import Exchange
from engine.model.errors import JournalFailed, Rejected, SettingsInvalid
from engine.model.events import BlocksChanged, Fact, GridOpened, LotAdopted, WindowChanged
from engine.model.grid import GridSpec, InitialPurchase
from engine.model.ids import key_from_client_order_id
from engine.model.market import is_swap
from engine.model.money import ZERO, text_from_decimal
from engine.model.risk import RiskSettings
from engine.model.slot import Lot
from engine.model.words import shown_text
from engine.runtime.account_view import answered
from engine.runtime.clock import Clock
from engine.runtime.journal import Journal
from engine.runtime.journal_gate import JournalGate
from engine.runtime.manager import SlotManager


class GridOpener:
    """Makes the books and the managers of the configured grids; keeps their money apart."""

    def __init__(
        self,
        specs: Sequence[GridSpec],
        *,
        exchange: Exchange,
        journal: Journal,
        gate: JournalGate,
        clock: Clock,
        risk_of: Callable[[str], RiskSettings],
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._exchange = exchange
        self._journal = journal
        self._gate = gate
        self._clock = clock
        self._risk_of = risk_of
        self._numbers_used = 0
        self._promised: dict[str, Decimal] = {}
        self.retired: dict[str, Decimal] = {}
        """The coins in the lots of grids that are in the journal and not in the configuration, by currency."""

    def fold(self) -> dict[str, GridBooks]:
        """The books of every grid in the journal.

        Raises:
            JournalFailed: the journal cannot be read, or its facts contradict each other.
            SettingsInvalid: a grid is configured otherwise than it runs.
        """
        books: dict[str, GridBooks] = {}
        for record in self._journal.records():
            fact = record.fact
            if isinstance(fact, GridOpened):
                books[record.grid] = GridBooks(fact, record.at_ms)
                self._numbers_used = max(self._numbers_used, fact.number + 1)
            elif record.grid in books:
                books[record.grid].apply(fact, record.at_ms)
            else:
                raise JournalFailed(f"record {record.sequence} is of grid {record.grid!r}, which was never opened")
        self._check(books)
        for name, book in books.items():
            if name in self._specs:
                self._promise(book)
            elif book.market.swap is None:
                base = book.market.base
                self.retired[base] = self.retired.get(base, ZERO) + max(own_base(book), ZERO)
        self._promised |= {base: self._promised.get(base, ZERO) + held for base, held in self.retired.items()}
        return books

    async def open(self, spec: GridSpec, *, anchor: Decimal) -> GridBooks:
        """Begin a new grid at the price ``anchor``; its money is promised to it from now on.

        Raises:
            SettingsInvalid: the grid is impossible on this market or with this account.
        """
        await self._check_alone(spec)
        self._check_one_way(spec)
        market = await answered(lambda: self._exchange.fetch_market(spec.symbol))
        lattice = make_lattice(spec, market, anchor)
        funds = funds_needed(spec, market, lattice)
        risk = self._risk_of(spec.name)
        plan = preflight(spec, market, lattice, anchor, limits=risk.limits, stops=risk.stops)
        if plan.problems:
            raise SettingsInvalid(*(f"grid {spec.name!r}: {problem}" for problem in plan.problems))
        await self._check_funds(spec, market.base, market.quote, funds)
        await self.set_leverage(spec)
        opened = GridOpened(number=self._numbers_used, spec=spec, market=market, lattice=lattice)
        self._numbers_used += 1
        at_ms = self._clock.now_ms()
        books = GridBooks(opened, at_ms)
        facts: list[Fact] = [opened]
        if spec.initial_purchase is InitialPurchase.HOLDINGS:
            facts.extend(_adoptions(books))
        await self._gate.append(spec.name, facts, at_ms)
        for fact in facts[1:]:
            books.apply(fact, at_ms)
        self._promise(books)
        return books

    async def set_leverage(self, spec: GridSpec) -> None:
        """Tell the exchange how a swap is traded from now on.

        Raises:
            SettingsInvalid: it does not allow that.
        """
        if not is_swap(spec.symbol):
            return
        try:
            await answered(lambda: self._exchange.set_leverage(spec.symbol, spec.leverage, spec.margin))
        except Rejected as error:
            raise SettingsInvalid(f"grid {spec.name!r}: leverage: {error}") from error

    async def go_on(self, books: GridBooks) -> GridBooks:
        """Take up a grid from the journal, with what the configuration may change without a migration."""
        window = self._specs[books.spec.name].window
        if window != books.spec.window:
            fact, at_ms = WindowChanged(window=window), self._clock.now_ms()
            await self._gate.append(books.spec.name, (fact,), at_ms)
            books.apply(fact, at_ms)
        blocks = breakers.with_settings(self._risk_of(books.spec.name), books.blocks)
        if blocks != books.blocks:
            changed = BlocksChanged(blocks=blocks, reason="blocks follow the changed configuration", by="engine")
            at_ms = self._clock.now_ms()
            await self._gate.append(books.spec.name, (changed,), at_ms)
            books.apply(changed, at_ms)
        return books

    def make_manager(self, books: GridBooks) -> SlotManager:
        """The manager of a grid's books."""
        return SlotManager(books, instance=self._journal.identity.instance)

    def _promise(self, books: GridBooks) -> None:
        """Keep what a grid owns and may need from every grid that is opened later."""
        base = ZERO if books.market.swap is not None else own_base(books)
        for currency, amount in ((books.market.quote, own_quote(books)), (books.market.base, base)):
            self._promised[currency] = self._promised.get(currency, ZERO) + amount

    def _check(self, books: dict[str, GridBooks]) -> None:
        problems = []
        for name, book in books.items():
            spec = self._specs.get(name)
            if spec is None:
                if book.live_slots():
                    problems.append(
                        f"grid {name!r}: expected it in the configuration, it has {len(book.live_slots())} live orders "
                        f"in the journal; put it back, or start over with --fresh"
                    )
                continue
            as_configured = _as_decided(spec)
            if as_configured not in (_as_decided(book.spec), _as_decided(book.opened_spec)):
                problems.append(
                    f"grid {name!r}: expected it as it runs ({_in_words(book.spec)}), "
                    f"found {_in_words(spec)}; put it back, or start over with --fresh"
                )
        if problems:
            raise SettingsInvalid(*problems)

    def _check_one_way(self, spec: GridSpec) -> None:
        """In one-way mode a position has one owner."""
        others = [each.name for each in self._specs.values() if each.symbol == spec.symbol and each.name != spec.name]
        if is_swap(spec.symbol) and others:
            raise SettingsInvalid(
                f"grid {spec.name!r}: expected one grid on {spec.symbol}, found {others[0]!r} as well: "
                "a swap has one position, and it belongs to one grid"
            )

    async def _check_alone(self, spec: GridSpec) -> None:
        """A new grid begins only where no other engine's orders are."""
        orders = await answered(lambda: self._exchange.fetch_open_orders(spec.symbol))
        keys = (key_from_client_order_id(report.client_order_id) for report in orders)
        ours = self._journal.identity.instance
        strangers = sorted(
            {key.instance for key in keys if key and (key.instance != ours or key.grid >= self._numbers_used)}
        )
        if strangers:
            raise SettingsInvalid(
                f"grid {spec.name!r}: expected no other engine on {spec.symbol}, found open orders of "
                f"{', '.join(strangers)}: stop that engine, restore its journal, or cancel its orders"
            )

    async def _check_funds(self, spec: GridSpec, base: str, quote: str, funds: Funds) -> None:
        balances = await answered(self._exchange.fetch_balances)
        problems = []
        for currency, need in ((quote, funds.quote), (base, funds.base)):
            balance = balances.get(currency)
            total = balance.free + balance.locked if balance else ZERO
            free = total - self._promised.get(currency, ZERO)
            if need > free:
                problems.append(
                    f"grid {spec.name!r}: expected {shown_text(need)} {currency} on the account that no other "
                    f"grid needs, found {shown_text(max(free, ZERO))}"
                )
        if problems:
            raise SettingsInvalid(*problems)


def _as_decided(spec: GridSpec) -> GridSpec:
    """A wish without what may change between two starts."""
    return replace(spec, window=1)


def _adoptions(books: GridBooks) -> list[LotAdopted]:
    anchor = books.lattice.anchor
    return [
        LotAdopted(slot=slot.index, lot=Lot(quantity=slot.amount, cost_quote=slot.amount * anchor))
        for slot in books.slots
        if slot.is_initial
    ]


def _in_words(spec: GridSpec) -> str:
    return (
        f"{spec.symbol} {spec.direction} {spec.spacing} {text_from_decimal(spec.lower)} to "
        f"{text_from_decimal(spec.upper)}, {spec.slots} slots, {spec.sized_by} {text_from_decimal(spec.size)}, "
        f"initial purchase {spec.initial_purchase}"
    )
