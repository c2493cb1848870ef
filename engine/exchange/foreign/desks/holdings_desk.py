"""What the account holds, over REST: balances, and of swaps positions, funding, liquidations and leverage."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeVar

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.habits.paging import DAY_MS, checked_rows
from engine.exchange.foreign.proof.errors import RequestKind
from engine.exchange.foreign.requests.requester import Requester
from engine.exchange.foreign.words.balances import balances_from_foreign
from engine.exchange.foreign.words.numbers import Unreadable, mapping_from
from engine.exchange.foreign.words.swaps import funding_from_foreign, liquidation_from_foreign, position_from_foreign
from engine.exchange.port import Balance
from engine.model.errors import Rejected, SettingsInvalid, Transient
from engine.model.grid import MarginMode
from engine.model.market import Market, MarketKind, is_swap
from engine.model.swap import FundingPayment, Liquidation, Position

T = TypeVar("T")
_AS_IT_IS = ("not modified", "not been modified", "no need to change", "same leverage", "already set", "not changed")
"""How exchanges refuse a leverage or margin mode that is already set."""
_PAYMENTS_MAX = 50
"""More than are paid on one market within a day."""


class HoldingsDesk:
    """One per account."""

    def __init__(
        self,
        client: ForeignClient,
        *,
        requester: Requester,
        markets: Mapping[str, Market],
        kind: MarketKind,
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._requester = requester
        self._markets = markets
        self._kind = kind
        self._now_ms = now_ms

    async def balances(self) -> dict[str, Balance]:
        """What the account holds, by currency. Raises ``Transient`` where the answer is empty or contradicts itself."""
        raw = await self._requester.read("balances", self._client.fetch_balance)
        try:
            return balances_from_foreign(mapping_from(raw), self._kind)
        except Unreadable as error:
            raise Transient(f"the balances cannot be read: {error}") from error

    async def positions(self) -> dict[str, Position]:
        """The swap positions of the markets that were asked for; none where the account is flat.

        Raises:
            SettingsInvalid: the account holds both sides of a market at once.
            Transient: no answer, or one that cannot be read.
        """
        found: dict[str, Position] = {}
        for symbol in [symbol for symbol in self._markets if is_swap(symbol)]:
            # One by one: some exchanges refuse a list of symbols, others tell one currency's alone without.
            raws = await self._requester.read("positions", partial(self._client.fetch_positions, [symbol]))
            for raw in checked_rows(raws):
                position = self._position(raw, symbol)
                if position is None:
                    continue
                if symbol in found:
                    raise SettingsInvalid(
                        f"{self._client.id} {symbol}: expected one position, found one on each side: switch the "
                        "account from hedge mode to one-way mode"
                    )
                found[symbol] = position
        return found

    def _position(self, raw: Mapping[str, object], symbol: str) -> Position | None:
        if raw.get("symbol") != symbol:
            return None
        try:
            return position_from_foreign(raw, self._markets[symbol])
        except Unreadable as error:
            raise Transient(f"the position on {symbol} cannot be read: {error}") from error

    async def funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        """Funding of a swap since a time, oldest first; none where the exchange does not list it."""
        if not self._client.has.get("fetchFundingHistory"):
            return ()
        found: dict[str, FundingPayment] = {}
        for start_ms in range(since_ms, max(self._now_ms(), since_ms) + 1, DAY_MS):
            # Day by day: lists are cut off, and some tell no more than a week from where they begin.
            raws = await self._requester.read(
                f"funding {symbol}",
                partial(
                    self._client.fetch_funding_history,
                    symbol,
                    max(start_ms - 1, 1),
                    _PAYMENTS_MAX,
                    {"until": start_ms + DAY_MS},
                ),
            )
            told = self._read_all(raws, symbol, funding_from_foreign)
            found.update((each.funding_id, each) for each in told if each.at_ms >= since_ms)
        return sorted(found.values(), key=lambda payment: payment.at_ms)

    async def liquidations(self, symbol: str, since_ms: int) -> Sequence[Liquidation]:
        """Liquidations of the account since a time, oldest first; none where the exchange does not list them."""
        if not self._client.has.get("fetchMyLiquidations"):
            return ()
        raws = await self._requester.read(
            f"liquidations {symbol}", lambda: self._client.fetch_my_liquidations(symbol, since_ms)
        )
        found = self._read_all(raws, symbol, liquidation_from_foreign)
        in_time = [each for each in found if each.at_ms >= since_ms]
        return sorted(in_time, key=lambda liquidation: liquidation.at_ms)

    def _read_all(self, raws: object, symbol: str, read: Callable[[Raw, Market], T | None]) -> list[T]:
        try:
            found = [read(raw, self._markets[symbol]) for raw in checked_rows(raws)]
        except Unreadable as error:
            raise Transient(f"the account's history on {symbol} cannot be read: {error}") from error
        return [each for each in found if each is not None]

    async def set_leverage(self, symbol: str, leverage: Decimal, mode: MarginMode) -> None:
        """Trade a swap with this leverage and margin from now on. Raises ``Rejected``, ``Transient``."""
        number = int(leverage) if leverage == int(leverage) else float(leverage)
        if self._client.has.get("setMarginMode"):
            await self._set(
                f"margin of {symbol}", lambda: self._client.set_margin_mode(mode.value, symbol, {"leverage": number})
            )
        if self._client.has.get("setLeverage"):
            params = {"marginMode": mode.value}
            await self._set(f"leverage of {symbol}", lambda: self._client.set_leverage(number, symbol, params))

    async def _set(self, what: str, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await self._requester.send(what, call, RequestKind.READ)
        except Rejected as error:
            if not any(words in str(error).lower() for words in _AS_IT_IS):
                raise
