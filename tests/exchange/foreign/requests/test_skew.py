"""The exchange's clock is known within an error, told where it is off, and measured again when it is refused."""

from collections.abc import Sequence

import anyio
import pytest

from engine.exchange.foreign.requests.skew import SAMPLES, Rising, Skew, SkewWatch, measure_skew
from engine.model.errors import Transient
from engine.model.snapshot import EventLevel
from engine.runtime.clock import VirtualClock, run_on


class Exchange:
    """Tells its time after a way there and a way back, in milliseconds each."""

    def __init__(self, clock: VirtualClock, offset_ms: int, ways: Sequence[tuple[int, int]]) -> None:
        self.clock = clock
        self.offset_ms = offset_ms
        self.ways = list(ways)
        self.asked = 0
        self.error: Exception | None = None

    async def ask(self) -> int:
        there, back = self.ways[self.asked % len(self.ways)]
        self.asked += 1
        await anyio.sleep(there / 1000)
        told = self.clock.now_ms() + self.offset_ms
        await anyio.sleep(back / 1000)
        if self.error is not None:
            raise self.error
        return told


@pytest.mark.parametrize("offset_ms", [0, 1_500, -90_000])
def test_rel_30_the_quickest_of_five_looks_counts_and_the_truth_lies_within_its_error(offset_ms: int) -> None:
    clock = VirtualClock(start_ms=1_000_000)
    exchange = Exchange(clock, offset_ms, [(400, 10), (300, 300), (20, 40), (900, 0), (0, 900)])

    async def scene() -> None:
        skew = await measure_skew(exchange.ask, clock.now_ms)
        assert skew == Skew(offset_ms=offset_ms - 10, error_ms=31)
        assert exchange.asked == SAMPLES

    run_on(clock, scene)


def watched(offset_ms: int, script: object) -> tuple[Exchange, list[tuple[str, EventLevel]], SkewWatch]:
    clock = VirtualClock(start_ms=1_000_000)
    exchange = Exchange(clock, offset_ms, [(5, 5)])
    notices: list[tuple[str, EventLevel]] = []
    watch = SkewWatch("kraken", exchange.ask, now_ms=clock.now_ms, notice=lambda *told: notices.append(told))
    run_on(clock, lambda: script(watch, exchange))  # type: ignore[operator]
    return exchange, notices, watch


def test_a_clock_that_is_off_is_told_once_until_it_was_right_again() -> None:
    async def script(watch: SkewWatch, exchange: Exchange) -> None:
        for offset_ms in (2_000, 2_100, 0, -3_000):
            exchange.offset_ms = offset_ms
            await watch.measure()

    _, notices, watch = watched(0, script)
    assert [text.split(";")[0] for text, _ in notices] == [
        "this machine's clock is 2000 ms behind kraken",
        "this machine's clock is 3000 ms ahead of kraken",
    ]
    assert watch.skew is not None
    assert watch.skew.offset_ms == -3_000


def test_a_refused_time_is_measured_at_once_and_not_without_a_pause() -> None:
    async def script(watch: SkewWatch, exchange: Exchange) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run)
            for _ in range(200):
                watch.look()
                await anyio.sleep(0.1)
            tasks.cancel_scope.cancel()

    exchange, _, watch = watched(700, script)
    assert watch.skew is not None
    assert exchange.asked == 4 * SAMPLES


def test_a_clock_that_cannot_be_asked_is_asked_again_later() -> None:
    async def script(watch: SkewWatch, exchange: Exchange) -> None:
        exchange.error = Transient("no answer")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run)
            watch.look()
            await anyio.sleep(10)
            assert exchange.asked == 1
            exchange.error = None
            await anyio.sleep(10)
            tasks.cancel_scope.cancel()

    exchange, _, watch = watched(0, script)
    assert exchange.asked == 1 + SAMPLES
    assert watch.skew is not None


def test_where_the_exchange_tells_no_time_ours_is_trusted() -> None:
    clock = VirtualClock(start_ms=1_000_000)
    watch = SkewWatch("krakenfutures", None, now_ms=clock.now_ms, notice=lambda *_: None)
    run_on(clock, watch.measure)
    assert (watch.skew, watch.exchange_ms()) == (None, 1_000_000)


def test_a_rising_clock_never_tells_a_time_twice_nor_goes_back() -> None:
    times = iter((5, 5, 5, 3, 9))
    clock = Rising(lambda: next(times))
    assert [clock() for _ in range(5)] == [5, 6, 7, 8, 9]
