"""What the exchange says of an account, asked until it answers."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

from engine.core.reconcile import AccountEvidence
from engine.exchange.port import Exchange
from engine.model.errors import OrderNotFound, OutcomeUnknown, Transient
from engine.model.ids import key_from_client_order_id
from engine.model.order import Order, OrderReport, OwnFill
from engine.runtime.clock import Clock
from engine.runtime.executor import request_life_seconds

ASKED_AT_ONCE_MAX = 10
"""Orders that are asked for one by one at the same time."""

T = TypeVar("T")


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """What the exchange answers to a question that changes nothing, and so may be asked again."""
    while True:
        try:
            return await ask()
        except Transient as error:
            await anyio.sleep(error.retry_after_seconds)


async def look_at_orders(
    exchange: Exchange,
    clock: Clock,
    *,
    symbol: str,
    own: Iterable[Order],
    strays: Iterable[str],
    since_ms: int,
    is_known: Callable[[OwnFill], bool],
) -> AccountEvidence:
    """The open orders of a market, and single answers about the ``own`` orders and the ``strays`` that are not among
    them, and about orders of ours whose executions since ``since_ms`` are not all known."""
    open_orders = {
        report.client_order_id: report for report in await answered(lambda: exchange.fetch_open_orders(symbol))
    }
    fills = await answered(lambda: exchange.fetch_fills(symbol, since_ms))
    life_ms = round(request_life_seconds(exchange) * 1000)
    horizon_ms = {
        order.client_order_id: order.created_ms + life_ms for order in own if order.client_order_id not in open_orders
    }
    horizon_ms |= dict.fromkeys((name for name in strays if name not in open_orders), 0)
    for fill in fills:
        name = fill.client_order_id
        if name not in open_orders and key_from_client_order_id(name) is not None and not is_known(fill):
            horizon_ms.setdefault(name, 0)
    asked: dict[str, OrderReport | None] = {}
    limiter = anyio.CapacityLimiter(ASKED_AT_ONCE_MAX)

    async def ask(name: str, gone_after_ms: int) -> None:
        async with limiter:
            try:
                asked[name] = await answered(lambda: exchange.fetch_order(symbol, name))
            except OrderNotFound:
                if clock.now_ms() > gone_after_ms:
                    asked[name] = None
            except OutcomeUnknown:
                return

    async with anyio.create_task_group() as asking:
        for name, gone_after_ms in horizon_ms.items():
            asking.start_soon(ask, name, gone_after_ms)
    newest_fill_ms = max((own_fill.fill.at_ms for own_fill in fills), default=0)
    return AccountEvidence(open_orders=open_orders, asked=dict(sorted(asked.items())), newest_fill_ms=newest_fill_ms)
