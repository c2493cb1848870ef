"""What the private streams tell of the account's orders: drained from what the library keeps, each change once.

The library hands on the last of several updates, changes what it handed on before, and forgets the oldest. So all
that it keeps is read on every look: executions first, then the orders, each report with the executions it stands for.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.desks.order_desk import OrderDesk
from engine.exchange.foreign.desks.order_index import OrderIndex
from engine.exchange.foreign.desks.trade_desk import order_id_of_trade
from engine.exchange.foreign.words.fills import fill_from_foreign
from engine.exchange.foreign.words.numbers import Unreadable
from engine.exchange.foreign.words.orders import order_id_of
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import Fill, OrderReport, OrderStatus

_SEEN_MAX = 50_000
_TOLD_RUN = 64
"""What is updated moves to the end, so after so many old entries in a row there is nothing new before them."""
K = TypeVar("K")
V = TypeVar("V")
Name = tuple[str, ...]
State = tuple[object, ...]


class PrivateStream:
    """``tell`` gets every report, once for each thing that is new in it."""

    def __init__(
        self,
        client: ForeignClient,
        *,
        orders: OrderDesk,
        index: OrderIndex,
        markets: Mapping[str, Market],
        tell: Callable[[OrderReport], None],
    ) -> None:
        self._client = client
        self._orders = orders
        self._index = index
        self._markets = markets
        self._tell = tell
        self._told_trades: OrderedDict[Name, None] = OrderedDict()
        self._told_orders: OrderedDict[Name, State] = OrderedDict()

    def look(self) -> None:
        """Tell what has come since the last look."""
        fresh = self._take_trades(_newest(self._client.myTrades, self.is_told))
        for raw in _newest(self._client.orders, self._is_told_order):
            _note(self._told_orders, _name_of_order(raw), _state_of(raw))
            symbol, order_id = str(raw.get("symbol")), order_id_of(raw)
            if symbol not in self._markets or order_id is None:
                continue
            fills = fresh.pop((symbol, order_id), [])
            report = self._orders.report_of(raw, symbol, fills)
            if report is not None:
                self._tell(report)
            elif fills:
                fresh[symbol, order_id] = fills
        for (symbol, order_id), fills in fresh.items():
            self._tell_fills(symbol, order_id, fills)

    def take(self, raws: Iterable[Raw]) -> int:
        """Tell executions that were fetched; how many of them no stream had told."""
        fresh = self._take_trades(raw for raw in raws if not self.is_told(raw))
        for (symbol, order_id), fills in fresh.items():
            self._tell_fills(symbol, order_id, fills)
        return sum(len(fills) for fills in fresh.values())

    def is_told(self, raw: Raw) -> bool:
        """Whether an execution was told before."""
        return _name_of_trade(raw) in self._told_trades

    def _is_told_order(self, raw: Raw) -> bool:
        return self._told_orders.get(_name_of_order(raw)) == _state_of(raw)

    def _take_trades(self, raws: Iterable[Raw]) -> dict[tuple[str, str], list[Fill]]:
        fresh: dict[tuple[str, str], list[Fill]] = {}
        for raw in raws:
            _note(self._told_trades, _name_of_trade(raw), None)
            symbol, order_id = str(raw.get("symbol")), order_id_of_trade(raw)
            if symbol not in self._markets or order_id is None or raw.get("id") is None:
                continue
            fill = self._fill(raw, symbol)
            if fill is None:
                continue  # its fee is not told here: whoever sees that something was filled asks for it
            self._index.add_fill(symbol, order_id, fill)
            if self._index.by_order_id(symbol, order_id) is None:
                self._orders.learn_from_trade(raw, symbol, order_id)
            fresh.setdefault((symbol, order_id), []).append(fill)
        return fresh

    def _fill(self, raw: Raw, symbol: str) -> Fill | None:
        try:
            return fill_from_foreign(raw, self._markets[symbol])
        except Unreadable:
            return None

    def _tell_fills(self, symbol: str, order_id: str, fills: list[Fill]) -> None:
        """Executions without a word of the order itself; who has the order knows the rest of it."""
        known = self._index.by_order_id(symbol, order_id)
        if known is None:
            return  # not an order that anybody here has heard of; asking for the orders will name it
        told = sum((fill.amount for fill in self._index.fills_of(symbol, order_id)), ZERO)
        # The word of its end may come much later, or be lost: what is executed in full is filled.
        is_whole = told == known.amount and not known.is_guess
        self._tell(
            OrderReport(
                client_order_id=known.client_order_id,
                symbol=symbol,
                side=known.side,
                price=known.price,
                amount=known.amount,
                status=OrderStatus.FILLED if is_whole else OrderStatus.PARTIALLY_FILLED,
                filled=told if is_whole else sum((fill.amount for fill in fills), ZERO),
                fills=tuple(fills),
                at_ms=max(fill.at_ms for fill in fills),
            )
        )


def _newest(cache: Any, is_told: Callable[[Raw], bool]) -> list[Raw]:
    """Copies of what was added since the last look, oldest first; the library changes its own in place later."""
    found: list[Raw] = []
    run = 0
    for raw in reversed(cache or ()):
        if not isinstance(raw, dict):
            continue
        if is_told(raw):
            run += 1
            if run >= _TOLD_RUN:
                break
        else:
            run = 0
            found.append(dict(raw))
    return found[::-1]


def _name_of_trade(raw: Raw) -> Name:
    get = raw.get
    return str(get("symbol")), str(get("id")), str(get("order")), str(get("side"))


def _name_of_order(raw: Raw) -> Name:
    return str(raw.get("symbol")), str(raw.get("id"))


def _state_of(raw: Raw) -> State:
    return raw.get("status"), raw.get("filled"), raw.get("clientOrderId")


def _note(told: OrderedDict[K, V], key: K, value: V) -> None:
    told[key] = value
    told.move_to_end(key)
    if len(told) > _SEEN_MAX:
        told.popitem(last=False)
