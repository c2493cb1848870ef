"""A real exchange as the engine sees it: the port, put together from the parts of this folder around one client."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

import anyio
from anyio.abc import TaskStatus

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.desks.history_desk import HistoryDesk
from engine.exchange.foreign.desks.holdings_desk import HoldingsDesk
from engine.exchange.foreign.desks.market_desk import MarketDesk
from engine.exchange.foreign.desks.order_desk import OrderDesk
from engine.exchange.foreign.desks.order_index import OrderIndex
from engine.exchange.foreign.desks.trade_desk import TradeDesk
from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.habits.features import Feature, features_of, missing_of
from engine.exchange.foreign.habits.paging import Nonces
from engine.exchange.foreign.habits.permissions import KeyPermissions, key_permissions
from engine.exchange.foreign.requests.bans import Bans
from engine.exchange.foreign.requests.dead_man import DeadManSwitch
from engine.exchange.foreign.requests.requester import Requester
from engine.exchange.foreign.requests.skew import Rising, Skew, SkewWatch
from engine.exchange.foreign.streams.candle_stream import CandleStream
from engine.exchange.foreign.streams.price_stream import PriceStream
from engine.exchange.foreign.streams.private_stream import PrivateStream
from engine.exchange.foreign.streams.private_watch import PrivateWatch
from engine.exchange.foreign.streams.streams import StreamParts, Streams
from engine.exchange.foreign.words.numbers import millis_from
from engine.exchange.port import Balance, ExchangeListener
from engine.model.actions import QuietBand
from engine.model.errors import EngineStopped, GridwrightError, Rejected, RetryScope, SettingsInvalid, Transient
from engine.model.grid import MarginMode
from engine.model.market import Market, MarketKind
from engine.model.order import OrderReport, OrderRequest, OwnFill
from engine.model.regime import Candle
from engine.model.snapshot import EventLevel
from engine.model.swap import FundingPayment, Liquidation, Position

OPEN_SECONDS_MAX = 60.0
_LIFE_MARGIN_SECONDS = 30.0
"""For the way, the clocks' error, and an exchange that is slow with itself."""
_DISARM_SECONDS_MAX = 5.0
_BANS_NAME = "bans-{}.json"
_UNTOLD_MAX = 20
"""Notices kept while it is opened, when nobody listens yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignAccount:
    """Whose account it is and what is wanted of it. ``has_keys`` false: public data alone.

    ``dead_man_seconds`` 0: the switch is not used. ``state_dir`` None keeps nothing. ``redact`` takes out of what
    the exchange says what nobody must see.
    """

    name: str
    dialect: Dialect
    kind: MarketKind
    has_keys: bool
    symbols: Sequence[str]
    now_ms: Callable[[], int]
    state_dir: Path | None
    dead_man_seconds: float
    redact: Callable[[str], str] = str


class CcxtExchange:
    """An ``Exchange`` on a real one. To be opened and closed on the loop that it runs on."""

    def __init__(self, account: ForeignAccount, client: ForeignClient) -> None:
        self.name = account.name
        self.request_life_seconds = account.dialect.request_life_seconds + _LIFE_MARGIN_SECONDS
        self._account = account
        self._client = client
        self._listener: ExchangeListener | None = None
        self._untold: deque[tuple[str, EventLevel]] = deque(maxlen=_UNTOLD_MAX)
        dialect, now_ms = account.dialect, account.now_ms
        file = None if account.state_dir is None else account.state_dir / _BANS_NAME.format(dialect.id)
        self._requester = Requester(
            client,
            dialect,
            now_ms=now_ms,
            bans=Bans(file, now_ms=now_ms()),
            notice=self._notice,
            clock_is_wrong=self._measure_clock,
            redact=account.redact,
        )
        ask_time = self._fetch_time if client.has.get("fetchTime") else None
        self._skew = SkewWatch(client.id, ask_time, now_ms=now_ms, notice=self._notice)
        # The library signs by these, requests and the logins of streams alike.
        is_free = dialect.nonces is Nonces.FREE
        client.milliseconds = self.exchange_ms if is_free else Rising(self.exchange_ms)
        client.seconds = self._exchange_seconds
        self._index = OrderIndex()
        self._markets = MarketDesk(client, dialect, requester=self._requester, has_keys=account.has_keys, now_ms=now_ms)
        self.history = HistoryDesk(client, self._requester, self._markets)
        markets = self._markets.markets
        self._trades = TradeDesk(
            client, dialect, requester=self._requester, index=self._index, markets=markets, now_ms=self.exchange_ms
        )
        self._orders = OrderDesk(
            client,
            dialect,
            requester=self._requester,
            index=self._index,
            trades=self._trades,
            markets=markets,
            now_ms=self.exchange_ms,
        )
        self._holdings = HoldingsDesk(
            client, requester=self._requester, markets=markets, kind=account.kind, now_ms=self.exchange_ms
        )
        self._candles = CandleStream(client, self._markets)
        self._prices = PriceStream(client, self._markets, account.symbols, now_ms=now_ms, exchange_ms=self.exchange_ms)
        self._streams = Streams(self._parts())
        self._dead_man: DeadManSwitch | None = None
        if account.dead_man_seconds:
            seconds = account.dead_man_seconds
            self._dead_man = DeadManSwitch(client, self._requester, seconds=seconds, warn=self._warn)

    # Life

    async def open(self) -> None:
        """Load the markets and measure the clock.

        Raises:
            SettingsInvalid: keys, permissions, symbols or network are not as they must be.
            EngineStopped: the exchange did not answer for a minute.
        """
        if self._account.has_keys and (missing := self.missing()):
            raise SettingsInvalid(
                f"exchange.id: {self._client.id} lacks what a grid needs to be safe: {', '.join(missing)}; "
                "choose another exchange"
            )
        last: GridwrightError | None = None
        with anyio.move_on_after(OPEN_SECONDS_MAX):
            while True:
                try:
                    await self._skew.measure()
                    await self._markets.load()
                    for symbol in dict.fromkeys(self._account.symbols):
                        await self._markets.market(symbol)
                    if self._account.has_keys:
                        await self._holdings.balances()  # whether the keys are right is known from now on
                    self._requester.is_in_use = True
                    return
                except Transient as error:
                    last = error
                    if error.scope is RetryScope.ACCOUNT and error.retry_after_seconds > OPEN_SECONDS_MAX:
                        break  # a ban that outlasts our patience
                    await anyio.sleep(min(error.retry_after_seconds, 5.0))
                except Rejected as error:
                    raise SettingsInvalid(f"{self._client.id} does not open: {error}") from error
        raise EngineStopped(f"{self._client.id} cannot be reached: {last or 'no answer'}")

    async def close(self) -> None:
        """Let go of every connection; orders stay as they are."""
        with anyio.CancelScope(shield=True):
            if self._dead_man is not None:
                try:
                    with anyio.move_on_after(_DISARM_SECONDS_MAX):
                        await self._dead_man.disarm()
                except GridwrightError as error:
                    self._warn(f"the dead man's switch could not be disarmed: {error}")
            await self._client.close()

    async def run(
        self, listener: ExchangeListener, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Stream until cancelled; started once every stream is there."""
        self._listener = listener
        while self._untold:
            self._notice(*self._untold.popleft())
        for text in self._peculiarities():
            self._notice(text, EventLevel.INFO)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._skew.run)
                if self._dead_man is not None:
                    tasks.start_soon(self._dead_man.run)
                await self._streams.run(listener, task_status=task_status)
        finally:
            self._listener = None

    # What is asked

    async def fetch_market(self, symbol: str) -> Market:
        """Filters and fees. Raises ``SettingsInvalid`` for a market that cannot be traded here."""
        return await self._markets.market(symbol)

    async def fetch_balances(self) -> dict[str, Balance]:
        """What the account holds, by currency."""
        return await self._holdings.balances()

    async def place(self, request: OrderRequest) -> OrderReport:
        """Place a limit order and return the first report of it."""
        return await self._orders.place(request)

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an open order; its final report. Raises ``OrderNotFound`` if none is open."""
        return await self._orders.cancel(symbol, client_order_id)

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order with all of its fills, open or not. Raises ``OrderNotFound``."""
        return await self._orders.fetch(symbol, client_order_id)

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """All open orders of the account on a symbol, foreign ones too, each with all of its fills."""
        return await self._orders.fetch_open(symbol)

    async def fetch_fills(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        """The account's executions on a symbol at or after ``since_ms``, oldest first."""
        return await self._trades.fills_since(symbol, since_ms)

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """The newest closed candles, oldest first."""
        return await self._markets.candles(symbol, interval_ms, limit)

    async def fetch_public_trades(self, symbol: str, since_ms: int) -> Sequence[tuple[int, Decimal, Decimal]]:
        """Everybody's trades since a time as (time, price, amount), as many as the exchange still tells."""
        return await self._markets.public_trades(symbol, since_ms)

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        """Tell every candle of this interval from now on."""
        self._candles.watch(symbol, interval_ms)

    async def fetch_positions(self) -> dict[str, Position]:
        """The swap positions of the account by symbol; none where it is flat."""
        return await self._holdings.positions()

    async def fetch_funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        """Funding of a swap since a time, oldest first."""
        return await self._holdings.funding(symbol, since_ms)

    async def fetch_liquidations(self, symbol: str, since_ms: int) -> Sequence[Liquidation]:
        """Liquidations of the account since a time, oldest first."""
        return await self._holdings.liquidations(symbol, since_ms)

    async def set_leverage(self, symbol: str, leverage: Decimal, mode: MarginMode) -> None:
        """Trade a swap with this leverage and margin from now on. Raises ``Rejected``."""
        await self._holdings.set_leverage(symbol, leverage, mode)

    def tell_prices(self) -> None:
        """Every price is told as it comes; the newest are told again."""
        self._prices.tell_newest()

    def set_quiet_band(self, symbol: str, listener_key: str, band: QuietBand | None) -> None:
        """A price costs the listener one comparison; none is left out."""

    # What the user is told of it

    async def permissions(self) -> KeyPermissions:
        """What the keys may do, as far as the exchange tells."""
        return await key_permissions(self._client, self._account.dialect)

    async def load_markets(self) -> None:
        """Fetch the rules of every market. Raises what asking raises."""
        await self._markets.load()

    async def ping(self) -> None:
        """Ask for something small: its time, or a price where it tells none. Raises what asking raises."""
        if self._client.has.get("fetchTime"):
            await self._fetch_time()
        else:
            await self._markets.last_price(self._account.symbols[0])

    async def measure_clock(self) -> Skew | None:
        """By how much the exchange's clock differs, measured now and corrected; None: it tells no time.

        Raises what asking raises.
        """
        await self._skew.measure()
        return self._skew.skew

    def features(self) -> tuple[Feature, ...]:
        """What this exchange can do, and what is done instead."""
        return features_of(self._client.has, has_countdown=self._account.dialect.has_countdown)

    def missing(self) -> tuple[str, ...]:
        """What this exchange lacks without which no grid can be traded safely on it."""
        return missing_of(self._client.has)

    def exchange_ms(self) -> int:
        """The exchange's own clock, as far as it is known."""
        return self._skew.exchange_ms()

    def _exchange_seconds(self) -> int:
        return self._skew.exchange_ms() // 1000

    def _parts(self) -> StreamParts:
        client, symbols = self._client, self._account.symbols
        stream = PrivateStream(
            client, orders=self._orders, index=self._index, markets=self._markets.markets, tell=self._report
        )
        watch = PrivateWatch(
            client,
            stream,
            orders=self._orders,
            trades=self._trades,
            symbols=symbols,
            exchange_ms=self.exchange_ms,
            tell=self._report,
        )
        return StreamParts(
            client=client,
            prices=self._prices,
            candles=self._candles,
            orders=watch if self._account.has_keys else None,
            now_ms=self._account.now_ms,
            notice=self._notice,
            dice=Random(),
        )

    def _report(self, report: OrderReport) -> None:
        if self._listener is not None:
            self._listener.on_report(report)

    def _notice(self, text: str, level: EventLevel) -> None:
        if self._listener is None:
            self._untold.append((text, level))
        else:
            self._listener.on_notice(self._account.redact(text), level)

    def _peculiarities(self) -> Iterator[str]:
        """What is otherwise here than a user would expect: what was assumed, and what is done instead of something."""
        for symbol, notes in self._markets.notes.items():
            for note in notes:
                yield f"{symbol}: {note}"
        for feature in self.features() if self._account.has_keys else ():
            if not feature.is_there:
                yield f"{self.name} does not have: {feature.name}; instead: {feature.instead}"

    def _measure_clock(self) -> None:
        self._skew.look()

    def _warn(self, text: str) -> None:
        self._notice(text, EventLevel.WARNING)

    async def _fetch_time(self) -> int:
        told = millis_from(await self._requester.read("time", self._client.fetch_time))
        if told is None:
            raise Transient(f"{self._client.id} tells no time")
        return told
