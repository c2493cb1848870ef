"""OrderExecutor: carries out what stands in the journal, within the rate budget, with the one retry layer.

Every exception of the exchange says what it proves. ``Transient``: not executed, so the
same request goes out again. ``Rejected``: not executed, and core is told. Everything
else is an unknown outcome: the order is asked for by client order id until it is known,
and "not found" counts only once the request can no longer arrive.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup, TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream

from engine.exchange.port import Exchange
from engine.model.errors import InvariantBroken, OrderNotFound, OutcomeUnknown, PostOnlyRejected, Rejected, Transient
from engine.model.order import OrderReport, OrderRequest, OrderStatus
from engine.runtime.clock import Clock
from engine.runtime.rate_budget import RateBudget

WORKERS = 16
QUEUE_MAX = 20_000
REQUEST_LIFE_SECONDS = 35.0
"""After this long a request can no longer reach most matching engines: receive window, clock error, margin."""
_ASK_DELAYS_SECONDS = (0.5, 1.0, 2.0, 5.0)
_TRIES_MAX = 8
NEVER_ARRIVED = "the request never arrived"


def request_life_seconds(exchange: Exchange) -> float:
    """After this long a request to this exchange can no longer arrive."""
    return max(REQUEST_LIFE_SECONDS, exchange.request_life_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cancellation:
    symbol: str
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    symbol: str
    client_order_id: str


T = TypeVar("T")


class OrderExecutor:
    """One per account. ``report`` receives what became of every job."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        clock: Clock,
        budget: RateBudget,
        report: Callable[[OrderReport], None],
        is_wanted: Callable[[OrderRequest], bool],
        is_booked: Callable[[str], bool],
        note: Callable[[str], None],
    ) -> None:
        self.in_flight: set[str] = set()
        self._exchange = exchange
        self._clock = clock
        self._budget = budget
        self._report = report
        self._is_wanted = is_wanted
        self._is_booked = is_booked
        self._note = note
        self._asked: set[str] = set()
        self._jobs = 0
        self._tasks: TaskGroup | None = None
        self._send, self._receive = anyio.create_memory_object_stream[OrderRequest](QUEUE_MAX)

    def place(self, request: OrderRequest) -> None:
        """Send an order. Raises ``InvariantBroken`` if ``QUEUE_MAX`` jobs wait, which halts the engine."""
        self._submit(request)

    def cancel(self, symbol: str, client_order_id: str) -> None:
        """Cancel an order."""
        self._spawn(self._cancel, _Cancellation(symbol=symbol, client_order_id=client_order_id))

    def ask(self, symbol: str, client_order_id: str) -> None:
        """Fetch an order with all of its fills; once, however often it is asked for while that lasts."""
        if client_order_id not in self._asked:
            self._asked.add(client_order_id)
            self._spawn(self._ask, _Question(symbol=symbol, client_order_id=client_order_id))

    @property
    def is_busy(self) -> bool:
        """Whether any job is waiting or under way."""
        return self._jobs > 0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        async with self._send, self._receive, anyio.create_task_group() as tasks:
            self._tasks = tasks
            for _ in range(WORKERS):
                tasks.start_soon(self._work, self._receive, tasks)
            task_status.started()

    def close(self) -> None:
        """Take no more jobs; also where ``run`` never came to begin."""
        self._send.close()
        self._receive.close()

    async def resolve(self, request: OrderRequest, *, sent_until_ms: int) -> OrderReport:
        """Ask for an order until it is known; an order that can no longer arrive was never placed."""
        delays = iter(_ASK_DELAYS_SECONDS)
        while True:
            try:
                return await self._fetch(request.symbol, request.client_order_id)
            except OrderNotFound:
                if self._clock.now_ms() > sent_until_ms + request_life_seconds(self._exchange) * 1000:
                    return self._report_of(request, OrderStatus.CANCELED, NEVER_ARRIVED)
            except OutcomeUnknown as error:
                self._note(f"order {request.client_order_id} is still unknown: {error}")
            await anyio.sleep(next(delays, _ASK_DELAYS_SECONDS[-1]))

    async def _work(self, requests: MemoryObjectReceiveStream[OrderRequest], tasks: TaskGroup) -> None:
        """Place orders; one that has to be asked for is asked for beside, in a task of its own."""
        async for request in requests:
            if await self._place(request):
                self._jobs -= 1
            else:
                tasks.start_soon(self._resolve_unknown, request, self._clock.now_ms())

    async def _resolve_unknown(self, request: OrderRequest, sent_until_ms: int) -> None:
        self._report(await self.resolve(request, sent_until_ms=sent_until_ms))
        self._jobs -= 1

    def _spawn(self, function: Callable[[T], Coroutine[None, None, None]], job: T) -> None:
        """Cancellations and questions wait for no placement: at most one of each runs for a live order."""
        if self._tasks is None:
            raise InvariantBroken("the executor was asked to act before it ran")
        self._jobs += 1
        self._tasks.start_soon(function, job)

    def _submit(self, request: OrderRequest) -> None:
        try:
            self._send.send_nowait(request)
        except anyio.WouldBlock:
            raise InvariantBroken(f"expected at most {QUEUE_MAX} requests waiting to be sent, one more came") from None
        self._jobs += 1

    async def _place(self, request: OrderRequest) -> bool:
        """Whether it is known what became of the order."""
        self.in_flight.add(request.client_order_id)
        try:
            report = await self._placed(request)
        finally:
            self.in_flight.discard(request.client_order_id)
        self._report(report)
        return report.status is not OrderStatus.UNKNOWN

    async def _placed(self, request: OrderRequest) -> OrderReport:
        for _ in range(_TRIES_MAX):
            await self._budget.spend_order()
            if not self._is_wanted(request):
                return self._report_of(request, OrderStatus.CANCELED, "not sent: the grid no longer wants it")
            try:
                return await self._exchange.place(request)
            except Transient as error:
                self._budget.heed(error)
                await anyio.sleep(error.retry_after_seconds)
            except PostOnlyRejected as error:
                return self._report_of(request, OrderStatus.EXPIRED, str(error))
            except Rejected as error:
                return self._report_of(request, OrderStatus.REJECTED, str(error))
            except OutcomeUnknown as error:
                return self._report_of(request, OrderStatus.UNKNOWN, str(error))
        return self._report_of(request, OrderStatus.CANCELED, f"not taken after {_TRIES_MAX} tries")

    async def _cancel(self, job: _Cancellation) -> None:
        """Cancel until the exchange says that the order is closed, whatever became of it."""
        report = await self._canceled(job)
        if report is not None:
            self._report(report)
        self._jobs -= 1

    async def _canceled(self, job: _Cancellation) -> OrderReport | None:
        """The order as it was closed; None: nobody waits for that any more, the books have closed it otherwise."""
        was_booked = self._is_booked(job.client_order_id)
        while self._is_booked(job.client_order_id) or not was_booked:
            await self._budget.spend_cancel()
            try:
                return await self._exchange.cancel(job.symbol, job.client_order_id)
            except Transient as error:
                self._budget.heed(error)
                await anyio.sleep(error.retry_after_seconds)
                continue
            except (Rejected, OutcomeUnknown) as error:
                self._note(f"cancelling {job.client_order_id}: {error}; asking what became of it")
            try:
                report = await self._fetch(job.symbol, job.client_order_id)
            except (OrderNotFound, OutcomeUnknown) as error:
                self._note(f"order {job.client_order_id} cannot be seen: {error}")
            else:
                if report.status not in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED):
                    return report
                self._report(report)
            await anyio.sleep(_ASK_DELAYS_SECONDS[1])
        return None

    async def _ask(self, job: _Question) -> None:
        """Ask until the exchange shows the order, as long as the books have it: nothing of it is forgotten.

        An order that the books have closed is asked for a few times: what it still has to tell, comparisons find too.
        """
        delays = iter(_ASK_DELAYS_SECONDS)
        was_booked = self._is_booked(job.client_order_id)
        while self._is_booked(job.client_order_id) or not was_booked:
            try:
                self._report(await self._fetch(job.symbol, job.client_order_id))
                break
            except (OrderNotFound, OutcomeUnknown) as error:
                self._note(f"order {job.client_order_id} cannot be seen: {error}")
            delay = next(delays, None)
            if delay is None and not was_booked:
                break
            await anyio.sleep(_ASK_DELAYS_SECONDS[-1] if delay is None else delay)
        self._asked.discard(job.client_order_id)
        self._jobs -= 1

    async def _fetch(self, symbol: str, client_order_id: str) -> OrderReport:
        while True:
            try:
                return await self._exchange.fetch_order(symbol, client_order_id)
            except Transient as error:
                self._budget.heed(error)
                await anyio.sleep(error.retry_after_seconds)

    def _report_of(self, request: OrderRequest, status: OrderStatus, reason: str) -> OrderReport:
        return OrderReport(
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            price=request.price,
            amount=request.amount,
            status=status,
            filled=Decimal(0),
            at_ms=self._clock.now_ms(),
            reason=reason,
        )
