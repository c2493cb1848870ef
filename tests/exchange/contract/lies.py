"""The simulated exchange with one lie each: what a careless adapter would get wrong."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from anyio.abc import TaskStatus

from engine.exchange.port import Balance, ExchangeListener
from engine.exchange.simulated import SimulatedExchange
from engine.model.errors import OutcomeUnknown, Rejected
from engine.model.market import Market
from engine.model.order import OrderReport, OrderRequest, OrderStatus, OwnFill
from engine.model.regime import Candle
from engine.model.snapshot import Connection
from engine.model.swap import FundingPayment, Position
from engine.runtime.clock import VirtualClock
from tests.exchange.contract.harness import SPOT, SWAP, Need
from tests.exchange.contract.harness_simulated import SimulatedHarness


class AnswersWithoutFills(SimulatedExchange):
    """An answer forgets the fills."""

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        return replace(await super().fetch_order(symbol, client_order_id), fills=())


class CancelWithoutFills(SimulatedExchange):
    """The final report forgets what was filled."""

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        return replace(await super().cancel(symbol, client_order_id), fills=(), filled=Decimal(0))


class CancelIsCalm(SimulatedExchange):
    """A cancel of what is gone is called a success."""

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        try:
            return await super().cancel(symbol, client_order_id)
        except Rejected:
            return await super().fetch_order(symbol, client_order_id)


class OpenOrdersWithoutFills(SimulatedExchange):
    """The list of open orders has no fills, as most exchanges' lists."""

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        return [replace(report, fills=()) for report in await super().fetch_open_orders(symbol)]


class OwnOrdersOnly(SimulatedExchange):
    """Foreign orders are left out."""

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        found = await super().fetch_open_orders(symbol)
        return [report for report in found if not report.client_order_id.startswith("hand")]


class FillsNewestFirst(SimulatedExchange):
    """The list comes the wrong way round."""

    async def fetch_fills(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        return list(reversed(await super().fetch_fills(symbol, since_ms)))


class FillsOfAllTime(SimulatedExchange):
    """``since_ms`` is not heeded."""

    async def fetch_fills(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        return await super().fetch_fills(symbol, 0)


class FormingCandle(SimulatedExchange):
    """The newest candle is not closed."""

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        found = await super().fetch_candles(symbol, interval_ms, limit)
        return [*found[1:], replace(found[-1], open_ms=found[-1].open_ms + 10 * interval_ms)]


class RejectionIsUnknown(SimulatedExchange):
    """A proven refusal is called an unknown outcome."""

    async def place(self, request: OrderRequest) -> OrderReport:
        try:
            return await super().place(request)
        except Rejected as error:
            raise OutcomeUnknown(str(error)) from error


class RoundsAway(SimulatedExchange):
    """A price off the tick is put right in silence."""

    async def place(self, request: OrderRequest) -> OrderReport:
        market = await super().fetch_market(request.symbol)
        return await super().place(replace(request, price=market.floor_price(request.price)))


class PostOnlyIsIgnored(SimulatedExchange):
    """The flag is lost on the way."""

    async def place(self, request: OrderRequest) -> OrderReport:
        return await super().place(replace(request, post_only=False))


class ReduceOnlyIsIgnored(SimulatedExchange):
    """The flag is lost on the way."""

    async def place(self, request: OrderRequest) -> OrderReport:
        return await super().place(replace(request, reduce_only=False))


class DuplicateUnderNewId(SimulatedExchange):
    """A duplicate is placed under another id."""

    async def place(self, request: OrderRequest) -> OrderReport:
        try:
            return await super().place(request)
        except OutcomeUnknown:
            return await super().place(replace(request, client_order_id=f"{request.client_order_id}x"))


class FreeIsTotal(SimulatedExchange):
    """What orders bind is called free."""

    async def fetch_balances(self) -> dict[str, Balance]:
        told = await super().fetch_balances()
        return {name: replace(held, free=held.free + held.locked) for name, held in told.items()}


class UnsignedPosition(SimulatedExchange):
    """A short position is told as its size."""

    async def fetch_positions(self) -> dict[str, Position]:
        told = await super().fetch_positions()
        return {symbol: replace(one, amount=abs(one.amount)) for symbol, one in told.items()}


class FundingOfAllTime(SimulatedExchange):
    """``since_ms`` is not heeded."""

    async def fetch_funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        return await super().fetch_funding(symbol, 0)


class _Ears:
    """What stands between an exchange and its listener."""

    def __init__(self, listener: ExchangeListener) -> None:
        self._listener = listener

    def __getattr__(self, name: str) -> Callable[..., None]:
        heard: Callable[..., None] = getattr(self._listener, name)
        return heard


class _DropsFills(_Ears):
    def on_report(self, report: OrderReport) -> None:
        if report.status is not OrderStatus.FILLED:
            self._listener.on_report(report)


class _FillWithoutFee(_Ears):
    def on_report(self, report: OrderReport) -> None:
        fills = tuple(replace(fill, fee=Decimal(0)) for fill in report.fills)
        self._listener.on_report(replace(report, fills=fills))


class _AlwaysConnected(_Ears):
    def on_connection(self, connection: Connection) -> None:
        self._listener.on_connection(Connection.CONNECTED)


class DropsFills(SimulatedExchange):
    """The stream loses what matters."""

    async def run(
        self, listener: ExchangeListener, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        await super().run(_DropsFills(listener), task_status=task_status)


class FillWithoutFee(SimulatedExchange):
    """The stream's fills have no fee, as the client library's often."""

    async def run(
        self, listener: ExchangeListener, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        await super().run(_FillWithoutFee(listener), task_status=task_status)


class AlwaysConnected(SimulatedExchange):
    """A break is kept a secret."""

    async def run(
        self, listener: ExchangeListener, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        await super().run(_AlwaysConnected(listener), task_status=task_status)


Lie = tuple[type[SimulatedExchange], Market, str]
"""Which lie, told on which market, and a promise that it breaks."""
LIES: tuple[Lie, ...] = (
    (AlwaysConnected, SPOT, "a_break_of_the_streams_is_told_and_its_end"),
    (AlwaysConnected, SPOT, "what_happened_during_a_break_is_there_after_it"),
    (CancelIsCalm, SPOT, "cancelling_what_is_not_open_finds_no_order"),
    (CancelWithoutFills, SPOT, "a_cancel_answers_with_the_final_report_and_all_fills"),
    (DropsFills, SPOT, "every_change_of_an_order_is_told_by_the_stream"),
    (DropsFills, SPOT, "executions_of_the_owners_orders_are_told_too"),
    (DuplicateUnderNewId, SPOT, "an_id_of_an_open_order_never_places_a_second_one"),
    (FillWithoutFee, SPOT, "a_fill_is_complete_and_exact_with_its_fee"),
    (FillsNewestFirst, SPOT, "executions_are_told_since_a_time_oldest_first"),
    (FillsOfAllTime, SPOT, "executions_are_told_since_a_time_oldest_first"),
    (AnswersWithoutFills, SPOT, "a_fill_is_complete_and_exact_with_its_fee"),
    (AnswersWithoutFills, SPOT, "an_order_is_found_by_its_id_open_filled_and_cancelled"),
    (AnswersWithoutFills, SPOT, "what_happened_during_a_break_is_there_after_it"),
    (FormingCandle, SPOT, "candles_are_closed_and_oldest_first"),
    (FreeIsTotal, SPOT, "balances_say_what_is_free_and_what_orders_bind"),
    (FreeIsTotal, SPOT, "a_sell_binds_what_it_sells"),
    (FundingOfAllTime, SWAP, "funding_is_told_and_can_be_asked_for"),
    (OpenOrdersWithoutFills, SPOT, "open_orders_are_told_with_all_of_their_fills"),
    (OwnOrdersOnly, SPOT, "all_open_orders_are_told_the_owners_too"),
    (PostOnlyIsIgnored, SPOT, "a_post_only_order_never_takes"),
    (ReduceOnlyIsIgnored, SWAP, "a_reduce_only_order_opens_nothing"),
    (RejectionIsUnknown, SPOT, "a_notional_below_the_minimum_is_rejected"),
    (RejectionIsUnknown, SPOT, "what_the_account_cannot_pay_is_rejected"),
    (RoundsAway, SPOT, "a_price_off_the_tick_is_rejected"),
    (UnsignedPosition, SWAP, "a_short_position_is_negative"),
)


def lying(
    kind: type[SimulatedExchange],
) -> Callable[[Market, VirtualClock, Need], AbstractAsyncContextManager[SimulatedHarness]]:
    """An opening of harnesses whose exchange tells this lie."""

    @asynccontextmanager
    async def opened(market: Market, clock: VirtualClock, need: Need) -> AsyncIterator[SimulatedHarness]:
        with TemporaryDirectory() as folder:
            async with SimulatedHarness(market, clock, Path(folder), need, kind=kind).opened() as harness:
                yield harness

    return opened
