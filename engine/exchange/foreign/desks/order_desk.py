"""The account's orders over REST: placed, cancelled, asked for, each in our words with all of its executions.

Orders go by our client order id. What the exchange answers is checked against what was asked: an answer that
speaks of another order is no answer.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.desks.order_index import REMEMBERED_MAX, KnownOrder, OrderIndex
from engine.exchange.foreign.desks.order_search import OrderSearch
from engine.exchange.foreign.desks.trade_desk import TradeDesk
from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.proof.errors import RequestKind
from engine.exchange.foreign.requests.requester import Requester
from engine.exchange.foreign.words.numbers import Unreadable, decimal_from, mapping_from
from engine.exchange.foreign.words.orders import client_id_of, is_bare, order_id_of, report_from_foreign
from engine.exchange.foreign.words.scale import foreign_from_base
from engine.model.errors import OrderNotFound, OutcomeUnknown, Rejected, SettingsInvalid, Transient
from engine.model.ids import key_from_client_order_id
from engine.model.market import Market
from engine.model.money import ZERO, text_from_decimal
from engine.model.order import TERMINAL_STATUSES, Fill, OrderReport, OrderRequest, OrderStatus, Side

_SIDES = frozenset(side.value for side in Side)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """One order as the exchange just told it, before its executions are known."""

    raw: Raw
    market: Market
    client_order_id: str


class OrderDesk:
    """One per account. ``markets`` are the rules of the symbols that were asked for."""

    def __init__(
        self,
        client: ForeignClient,
        dialect: Dialect,
        *,
        requester: Requester,
        index: OrderIndex,
        trades: TradeDesk,
        markets: Mapping[str, Market],
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._requester = requester
        self._index = index
        self._trades = trades
        self._markets = markets
        self._now_ms = now_ms
        self._search = OrderSearch(client, dialect, requester=requester, now_ms=now_ms)
        self._sent_ms: OrderedDict[str, int] = OrderedDict()
        """When the orders of this run were sent: lists that reach further back tell for certain."""

    async def place(self, request: OrderRequest) -> OrderReport:
        """Place a limit order; its first report.

        Raises:
            Transient, Rejected, OutcomeUnknown: as the port says.
        """
        market = self._markets[request.symbol]
        if (problem := market.problem_with(request.price, request.amount)) is not None:
            raise Rejected(problem)  # the library would round it to what was never asked for
        params = self._dialect.place_params(
            request.client_order_id, post_only=request.post_only, reduce_only=request.reduce_only
        )
        amount, price = self._written(request, market)
        self._note_sent(request.client_order_id)
        raw = await self._requester.send(
            f"place {request.client_order_id}",
            lambda: self._client.create_order(request.symbol, "limit", request.side.value, amount, price, params),
            RequestKind.PLACE,
        )
        return self._acknowledged(mapping_from(raw), request, market)

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an open order; its final report, with all of its fills.

        Raises:
            OrderNotFound: it is not open (any more).
            OutcomeUnknown: no answer came, or the exchange has not finished with it.
            Transient, Rejected: as the port says.
        """
        order_id = None if self._dialect.can_cancel_by_client_id else await self._order_id(symbol, client_order_id)
        params = self._dialect.cancel_params(client_order_id, order_id=order_id)
        raw = await self._requester.send(
            f"cancel {client_order_id}",
            lambda: self._client.cancel_order(order_id, symbol, params),
            RequestKind.CANCEL,
        )
        report = self._closed_unfilled(mapping_from(raw), symbol, client_order_id)
        if report is not None:
            return report
        try:
            report = await self.fetch(symbol, client_order_id)
        except (Transient, Rejected, SettingsInvalid) as error:
            raise OutcomeUnknown(f"cancelled {client_order_id}, but what became of it is not told: {error}") from error
        if report.status not in TERMINAL_STATUSES:
            raise OutcomeUnknown(f"cancelling {client_order_id} was taken, but the order is still {report.status}")
        return report

    async def fetch(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order with all of its fills that the exchange shows by now, open or not. Raises ``OrderNotFound``."""
        known = self._index.order_id_of(client_order_id)
        if known is None and not self._dialect.can_fetch_by_client_id:
            raw = await self._found(symbol, client_order_id)
        else:
            raw = await self._fetched(symbol, client_order_id, known)
        told = client_id_of(raw)
        if told is not None and told != client_order_id:
            raise Transient(f"asked for order {client_order_id}, the exchange answered with another one")
        return await self._whole(_Told(raw=raw, market=self._markets[symbol], client_order_id=client_order_id))

    async def fetch_open(self, symbol: str) -> Sequence[OrderReport]:
        """All open orders of the account on a symbol, foreign ones too; of ours each with all of its fills.

        An order of somebody else that is of a kind no grid places is left out: it is not ours to understand.
        """
        market = self._markets[symbol]
        reports: list[OrderReport] = []
        for raw in await self._search.open_orders(market):
            told = _Told(raw=raw, market=market, client_order_id=self._name_of(raw, symbol))
            if key_from_client_order_id(told.client_order_id) is not None:
                reports.append(await self._whole(told))
            elif (foreign := self.report_of(raw, symbol, ())) is not None:
                reports.append(foreign)
        return [report for report in reports if report.status not in TERMINAL_STATUSES]

    def report_of(self, raw: Raw, symbol: str, fills: Sequence[Fill]) -> OrderReport | None:
        """What the stream says of an order, with these executions; None where it cannot be read."""
        try:
            self._learn(raw, symbol)
            return report_from_foreign(
                raw,
                self._markets[symbol],
                client_order_id=self._name_of(raw, symbol),
                fills=fills,
                now_ms=self._now_ms(),
            )
        except (Unreadable, Transient):
            return None

    def learn_from_trade(self, raw: Raw, symbol: str, order_id: str) -> None:
        """An execution came before the first word of its order; where it says whose it is, that is enough."""
        name, side = client_id_of(raw), str(raw.get("side"))
        if name is None or side not in _SIDES:
            return
        price, amount = decimal_from(raw.get("price")) or ZERO, decimal_from(raw.get("amount")) or ZERO
        self._index.learn(
            KnownOrder(
                client_order_id=name,
                order_id=order_id,
                symbol=symbol,
                side=Side(side),
                price=price,
                amount=amount,
                is_guess=True,
            )
        )

    def _written(self, request: OrderRequest, market: Market) -> tuple[str, str]:
        """Amount and price as they are to stand in the request: the exact text, in the exchange's unit."""
        return text_from_decimal(foreign_from_base(request.amount, market)), text_from_decimal(request.price)

    def _acknowledged(self, raw: Raw, request: OrderRequest, market: Market) -> OrderReport:
        told = client_id_of(raw)
        if told is not None and told != request.client_order_id:
            raise OutcomeUnknown(f"placed {request.client_order_id}, the exchange answered with another order's id")
        order_id = order_id_of(raw)
        if order_id is not None:
            self._index.learn(_known(request, order_id))
        if is_bare(raw):
            return _open_report(request, self._now_ms())
        try:
            fills = self._trades.fills_in(raw, market, order_id)
            return report_from_foreign(
                raw, market, client_order_id=request.client_order_id, fills=fills, now_ms=self._now_ms()
            )
        except Unreadable as error:
            raise OutcomeUnknown(f"placed {request.client_order_id}, but the answer cannot be read: {error}") from error

    def _closed_unfilled(self, raw: Raw, symbol: str, client_order_id: str) -> OrderReport | None:
        """The final report in the answer to a cancellation, where it leaves no question open."""
        if raw.get("status") is None or decimal_from(raw.get("filled")) != ZERO:
            return None
        if client_id_of(raw) not in (None, client_order_id):
            return None
        try:
            report = report_from_foreign(
                raw, self._markets[symbol], client_order_id=client_order_id, fills=(), now_ms=self._now_ms()
            )
        except Unreadable:
            return None
        return report if report.status is OrderStatus.CANCELED and report.filled == 0 else None

    async def _fetched(self, symbol: str, client_order_id: str, known: str | None) -> Raw:
        """Asked for by our id where the exchange can and still knows it, else by its own."""
        dialect = self._dialect
        by_ours = dialect.can_fetch_by_client_id and (known is None or dialect.client_id_life_seconds is None)
        order_id = None if by_ours else known
        params = dialect.lookup_params(client_order_id, order_id=order_id)
        try:
            told = await self._requester.look_up(
                f"order {client_order_id}", lambda: self._client.fetch_order(order_id or "", symbol, params)
            )
        except OrderNotFound:
            if dialect.client_id_life_seconds is None or not by_ours:
                raise
            return await self._found(symbol, client_order_id)  # it may only have forgotten our id
        raw = mapping_from(told)
        if order_id_of(raw) is None:
            raise Transient(f"asked for order {client_order_id}, the exchange answered with nothing")
        return raw

    async def _order_id(self, symbol: str, client_order_id: str) -> str:
        """What the exchange calls an order of ours. Raises ``OrderNotFound``."""
        known = self._index.order_id_of(client_order_id)
        if known is None:
            known = order_id_of(await self._found(symbol, client_order_id))
        if known is None:
            raise OrderNotFound(f"the exchange tells no id of order {client_order_id}")
        return known

    async def _found(self, symbol: str, client_order_id: str) -> Raw:
        """The order in the exchange's lists. Raises ``OrderNotFound``, ``OutcomeUnknown``, ``Transient``."""
        sent_ms = self._sent_ms.get(client_order_id)
        raw = await self._search.find(self._markets[symbol], client_order_id, sent_ms=sent_ms)
        self._learn(raw, symbol)
        return raw

    def _note_sent(self, client_order_id: str) -> None:
        self._sent_ms[client_order_id] = self._now_ms()
        if len(self._sent_ms) > REMEMBERED_MAX:
            self._sent_ms.popitem(last=False)

    async def _whole(self, told: _Told) -> OrderReport:
        """A report with every execution that the exchange shows by now."""
        self._learn(told.raw, told.market.symbol)
        try:
            bare = self._report(told, ())
            if not bare.filled:
                return bare
            fills = await self._trades.fills_of(told.raw, told.market, filled=bare.filled)
            return self._report(told, fills)
        except Unreadable as error:
            raise Transient(f"order {told.client_order_id}: the answer cannot be read: {error}") from error

    def _report(self, told: _Told, fills: Sequence[Fill]) -> OrderReport:
        return report_from_foreign(
            told.raw, told.market, client_order_id=told.client_order_id, fills=fills, now_ms=self._now_ms()
        )

    def _name_of(self, raw: Raw, symbol: str) -> str:
        """Our id of an order; the exchange's own where it has none of ours."""
        told = client_id_of(raw)
        if told is not None:
            return told
        order_id = order_id_of(raw)
        if order_id is None:
            raise Transient(f"an order on {symbol} was told without any id")
        known = self._index.by_order_id(symbol, order_id)
        return order_id if known is None else known.client_order_id

    def _learn(self, raw: Raw, symbol: str) -> None:
        """Remember which order the exchange speaks of."""
        order_id, name = order_id_of(raw), client_id_of(raw)
        if order_id is None or name is None:
            return
        known = self._index.by_order_id(symbol, order_id)
        if known is not None and not known.is_guess:
            return
        try:
            report = report_from_foreign(
                raw, self._markets[symbol], client_order_id=name, fills=(), now_ms=self._now_ms()
            )
        except Unreadable:
            return
        self._index.learn(
            KnownOrder(
                client_order_id=name,
                order_id=order_id,
                symbol=symbol,
                side=report.side,
                price=report.price,
                amount=report.amount,
            )
        )


def _known(request: OrderRequest, order_id: str) -> KnownOrder:
    return KnownOrder(
        client_order_id=request.client_order_id,
        order_id=order_id,
        symbol=request.symbol,
        side=request.side,
        price=request.price,
        amount=request.amount,
    )


def _open_report(request: OrderRequest, now_ms: int) -> OrderReport:
    """An order that was taken, where the answer says no more than that."""
    return OrderReport(
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        price=request.price,
        amount=request.amount,
        status=OrderStatus.OPEN,
        filled=Decimal(0),
        at_ms=now_ms,
    )
