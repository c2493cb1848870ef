"""The desks on a recorded client: a plain class that answers as told, keeps what it was asked, and has no network."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine.exchange.foreign.desks.order_desk import OrderDesk
from engine.exchange.foreign.desks.order_index import OrderIndex
from engine.exchange.foreign.desks.trade_desk import TradeDesk
from engine.exchange.foreign.habits.dialects import Dialect, dialect_of
from engine.exchange.foreign.requests.bans import Bans
from engine.exchange.foreign.requests.requester import Requester
from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.market import Market
from engine.model.order import Leg
from engine.model.snapshot import EventLevel
from tests.builders import a_market
from tests.exchange.foreign.raw_builders import a_raw_trade

BTC = "BTC/USDT"
NOW_MS = 1_795_305_600_000
DAY_MS = 86_400_000
Raw = Mapping[str, Any]


def own_id(slot: int = 0, generation: int = 0) -> str:
    """A client order id of ours."""
    return client_order_id_from_key(OrderKey(instance="abc", grid=0, slot=slot, leg=Leg.ENTRY, generation=generation))


class RecordedClient:
    """Answers ``calls`` by the name of the method; what is asked is in ``asked``, in order."""

    markets: Any
    precisionMode: Any  # noqa: N815 - the library's name
    timeframes: Any
    clients: Any
    orders: Any
    myTrades: Any  # noqa: N815 - the library's name

    def __init__(self, exchange: str = "binance", has: Mapping[str, Any] | None = None, **calls: Any) -> None:
        self.id = exchange
        self.has: dict[str, Any] = dict(has or {})
        self.last_response_headers: Mapping[str, str] | None = {}
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self._calls = {"fetch_balance": {"USDT": {"free": 1, "used": 0, "total": 1}}, **calls}

    def count(self, name: str) -> int:
        return sum(asked == name for asked, _ in self.asked)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self.__dict__.get("_calls", {}):
            raise AttributeError(name)

        async def call(*parts: Any) -> Any:
            self.asked.append((name, parts))
            answer = self._calls[name]
            found = answer(*parts) if callable(answer) else answer
            if isinstance(found, Exception):
                raise found
            return found

        return call


class TradeList:
    """The executions of an account as exchanges list them: at most ``page``, oldest or newest of a span first cut."""

    def __init__(self, rows: Sequence[Raw], *, page: int, keeps_newest: bool = False, grain_ms: int = 1) -> None:
        self.rows = sorted(rows, key=lambda raw: raw["timestamp"])
        self.page = page
        self.keeps_newest = keeps_newest
        self.grain_ms = grain_ms

    def __call__(self, symbol: str | None, since: int | None, limit: int | None, params: Raw) -> list[Raw]:
        grain = self.grain_ms
        start, end = (since or 0) // grain * grain, params.get("until", 10**15) // grain * grain
        found = [raw for raw in self.rows if start <= raw["timestamp"] <= end]
        if "orderId" in params:
            found = [raw for raw in found if raw["order"] == params["orderId"]]
        if "ofs" in params:
            found = found[params["ofs"] :]
        size = min(self.page, limit or self.page)
        found = found[-size:] if self.keeps_newest else found[:size]
        # The library picks the symbol out of the page, and forgets what is before the time that was asked for.
        return [raw for raw in found if symbol in (None, raw["symbol"]) and raw["timestamp"] >= (since or 0)]


class Desks:
    """One account's desks around a client."""

    def __init__(
        self,
        client: RecordedClient,
        dialect: Dialect | None = None,
        market: Market | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self.now_ms = NOW_MS
        self.notices: list[tuple[str, EventLevel]] = []
        self.clock_errors = 0
        self.index = OrderIndex()
        self.bans = Bans(None, now_ms=NOW_MS)
        self.market = market or a_market(symbol=BTC)
        self.dialect = dialect or dialect_of(client.id)
        markets = {self.market.symbol: self.market}
        self.requester = Requester(
            client,  # type: ignore[arg-type]
            self.dialect,
            now_ms=lambda: self.now_ms,
            bans=self.bans,
            notice=lambda text, level: self.notices.append((text, level)),
            clock_is_wrong=self._clock_is_wrong,
            redact=redact,
        )
        self.trades = TradeDesk(
            client,  # type: ignore[arg-type]
            self.dialect,
            requester=self.requester,
            index=self.index,
            markets=markets,
            now_ms=lambda: self.now_ms,
        )
        self.orders = OrderDesk(
            client,  # type: ignore[arg-type]
            self.dialect,
            requester=self.requester,
            index=self.index,
            trades=self.trades,
            markets=markets,
            now_ms=lambda: self.now_ms,
        )

    def _clock_is_wrong(self) -> None:
        self.clock_errors += 1


def trades(count: int, *, at: Callable[[int], int], symbol: str = BTC, **changes: object) -> list[dict[str, Any]]:
    """So many executions of a tenth, each of its own id, at the times that ``at`` says."""
    return [
        a_raw_trade(**{"id": f"{symbol} {n}", "symbol": symbol, "amount": "0.1", "timestamp": at(n), **changes})
        for n in range(count)
    ]


D = Decimal
