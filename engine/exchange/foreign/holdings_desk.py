"""What the account holds, over REST: balances, and of swaps positions, funding, liquidations and leverage."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

from engine.exchange.foreign.balances import balances_from_foreign
from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.errors import RequestKind
from engine.exchange.foreign.numbers import Unreadable
from engine.exchange.foreign.requester import Requester
from engine.exchange.foreign.swaps import funding_from_foreign, liquidation_from_foreign, position_from_foreign
from engine.exchange.port import Balance
from engine.model.errors import Rejected, Transient
from engine.model.grid import MarginMode
from engine.model.market import Market, MarketKind, is_swap
from engine.model.swap import FundingPayment, Liquidation, Position

_AS_IT_IS = ("not modified", "no need to change", "same leverage", "already")
"""How exchanges refuse a leverage or margin mode that is already set."""


class HoldingsDesk:
    """One per account."""

    def __init__(
        self, client: ForeignClient, *, requester: Requester, markets: Mapping[str, Market], kind: MarketKind
    ) -> None:
        self._client = client
        self._requester = requester
        self._markets = markets
        self._kind = kind

    async def balances(self) -> dict[str, Balance]:
        """What the account holds, by currency. Raises ``Transient`` where the answer is empty or contradicts itself."""
        raw = await self._requester.read("balances", self._client.fetch_balance)
        try:
            return balances_from_foreign(raw, self._kind)
        except Unreadable as error:
            raise Transient(f"the balances cannot be read: {error}") from error

    async def positions(self) -> dict[str, Position]:
        """The swap positions of the markets that were asked for; none where the account is flat."""
        symbols = [symbol for symbol in self._markets if is_swap(symbol)]
        if not symbols:
            return {}
        raws = await self._requester.read("positions", lambda: self._client.fetch_positions(symbols))
        found: dict[str, Position] = {}
        for raw in raws:
            market = self._markets.get(str(raw.get("symbol")))
            if market is None:
                continue
            try:
                position = position_from_foreign(raw, market)
            except Unreadable as error:
                raise Transient(f"the position on {market.symbol} cannot be read: {error}") from error
            if position is not None:
                found[market.symbol] = position
        return found

    async def funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        """Funding of a swap since a time, oldest first; none where the exchange does not list it."""
        if not self._client.has.get("fetchFundingHistory"):
            return ()
        raws = await self._requester.read(
            f"funding {symbol}", lambda: self._client.fetch_funding_history(symbol, since_ms)
        )
        found = [funding_from_foreign(raw, self._markets[symbol]) for raw in raws]
        in_time = [each for each in found if each is not None and each.at_ms >= since_ms]
        return sorted(in_time, key=lambda payment: payment.at_ms)

    async def liquidations(self, symbol: str, since_ms: int) -> Sequence[Liquidation]:
        """Liquidations of the account since a time, oldest first; none where the exchange does not list them."""
        if not self._client.has.get("fetchMyLiquidations"):
            return ()
        raws = await self._requester.read(
            f"liquidations {symbol}", lambda: self._client.fetch_my_liquidations(symbol, since_ms)
        )
        found = [liquidation_from_foreign(raw, self._markets[symbol]) for raw in raws]
        in_time = [each for each in found if each is not None and each.at_ms >= since_ms]
        return sorted(in_time, key=lambda liquidation: liquidation.at_ms)

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
