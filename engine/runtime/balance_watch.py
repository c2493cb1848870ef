"""The account's balances and swap positions, as of when somebody last looked."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import anyio

from engine.core.books import GridBooks
from engine.core.purse import own_base, own_quote
from engine.exchange.port import Balance, Exchange
from engine.model.errors import OutcomeUnknown, Rejected, Transient
from engine.model.money import ZERO
from engine.model.swap import Position


class BalanceWatch:
    """Fetches the balances whenever somebody has looked; ``note`` hears once why they cannot be seen.

    ``has_swaps``: the positions as well. ``owned`` says what all grids together own, by currency.
    ``rest_seconds`` pass between two fetches, however often somebody looks.
    """

    def __init__(
        self, exchange: Exchange, *, note: Callable[[str], None], has_swaps: bool, rest_seconds: float = 0.0
    ) -> None:
        self.balances: dict[str, Balance] = {}
        self.positions: dict[str, Position] = {}
        self.owned: Callable[[], Mapping[str, Decimal]] = dict
        self._owned_then: Mapping[str, Decimal] = {}
        """What the grids owned when the balances were seen, before or after, whichever is more."""
        self._has_swaps = has_swaps
        self._rest_seconds = rest_seconds
        self._exchange = exchange
        self._note = note
        self._is_trouble_told = False
        """One that lasts, such as a ban, is told once."""
        self._wanted = anyio.Event()

    def see_positions(self, positions: Mapping[str, Position]) -> None:
        """Somebody else has just been told what the account has of every swap."""
        self.positions = dict(positions)

    def look(self) -> None:
        """Somebody looks: fetch them soon."""
        self._wanted.set()

    async def run(self, is_open: Callable[[], bool]) -> None:
        """Fetch while the engine is open for it, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            if is_open():
                await self.fetch()
                if self._rest_seconds:
                    await anyio.sleep(self._rest_seconds)

    def beyond(self, currency: str) -> Decimal:
        """What the account has of a currency, as of when somebody last looked, and no grid owns.

        What a grid has traded since has moved both sides of the account alike: neither counts as free.
        """
        balance = self.balances.get(currency)
        total = ZERO if balance is None else balance.free + balance.locked
        owned = max(self.owned().get(currency, ZERO), self._owned_then.get(currency, ZERO))
        return max(ZERO, total - owned)

    async def fetch(self) -> bool:
        """Fetch the balances; without an answer the old ones stay until somebody looks again."""
        before = self.owned()
        try:
            self.balances = await self._exchange.fetch_balances()
            after = self.owned()
            self._owned_then = {each: max(before.get(each, ZERO), after[each]) for each in after}
            if self._has_swaps:
                self.positions = await self._exchange.fetch_positions()
        except (Transient, Rejected, OutcomeUnknown) as error:
            if not self._is_trouble_told:
                self._note(f"the balances cannot be seen: {error}")
            self._is_trouble_told = True
            return False
        self._is_trouble_told = False
        return True


def owned_by(grids: Iterable[GridBooks]) -> dict[str, Decimal]:
    """What grids own of every currency on the account, bound or free; a position of a swap is no coin."""
    owned: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for books in grids:
        owned[books.market.quote] += own_quote(books)
        if books.market.swap is None:
            owned[books.market.base] += own_base(books)
    return dict(owned)
