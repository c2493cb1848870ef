"""How a promise is put to the test: on a new exchange, on an event loop of its own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial

import anyio

from engine.model.market import Market
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.contract.harness import Harness, Implementation, Need, Promise
from tests.exchange.contract.harness_simulated import FIRST_MS, HISTORY_MS

Opening = Callable[[Market, VirtualClock, Need], AbstractAsyncContextManager[Harness]]
RealOpening = Callable[[Need], AbstractAsyncContextManager[Harness]]


def in_virtual_time(name: str, open_harness: Opening, market: Market) -> Implementation:
    """An implementation whose every wait is over at once."""

    def keep(promise: Promise) -> None:
        clock = VirtualClock(start_ms=FIRST_MS - HISTORY_MS)
        opening = partial(open_harness, market, clock, promise.need)
        with plain_errors():
            run_on(clock, _keep, opening, promise)

    return Implementation(name=name, market=market, keep=keep)


def in_real_time(name: str, open_harness: RealOpening, market: Market) -> Implementation:
    """An implementation that waits for sockets."""

    def keep(promise: Promise) -> None:
        with plain_errors():
            anyio.run(_keep, partial(open_harness, promise.need), promise)

    return Implementation(name=name, market=market, keep=keep)


async def _keep(opening: Callable[[], AbstractAsyncContextManager[Harness]], promise: Promise) -> None:
    async with opening() as harness:
        await promise.check(harness)


@contextmanager
def plain_errors() -> Iterator[None]:
    """What one task of a group raised, without the group around it."""
    try:
        yield
    except BaseExceptionGroup as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
            found = found.exceptions[0]
        raise found from None
