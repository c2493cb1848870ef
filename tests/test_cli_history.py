"""``gridwright history`` in a process of its own, on both loopback protocols: what comes, what stays, what is told."""

import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pyarrow.parquet as pq
import pytest

from engine.model.times import time_text
from tests.loopback.faults import RequestName
from tests.loopback.scene import wall_ms
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue_candles import VenueCandle
from tests.outside import HandClock, Outside, exchange_of
from tests.program import GRID

MINUTE = 60_000
START = 1_700_006_400_000
PROTOCOLS = ("binance", "bybit")
FROM = ("history", "--symbol", "BTC/USDT", "--from", time_text(START))
REPLAY = """
[simulation]
source = "replay"
path = "{path}"
speed = 0
"""


def past(count: int) -> list[VenueCandle]:
    """Candles of the first minutes, each another, with every digit that the market has."""
    return [a_candle(START + number * MINUTE, number) for number in range(count)]


def a_candle(at_ms: int, number: int) -> VenueCandle:
    """One that goes up and down with its number."""
    opened = Decimal("60000.01") + (number * 7919 % 400_003) * Decimal("0.01")
    close = Decimal("60000.01") + ((number + 1) * 7919 % 400_003) * Decimal("0.01")
    high, low = max(opened, close) + Decimal("0.07"), min(opened, close) - Decimal("1.13")
    volume = Decimal(number + 1) * Decimal("0.00123")
    return VenueCandle(
        opened_ms=at_ms, open=opened, high=high, low=low, close=close, volume=volume, turnover=volume, count=1
    )


@asynccontextmanager
async def market(
    protocol: str, folder: Path, candles: Sequence[VenueCandle], *, now_minutes: int
) -> AsyncIterator[tuple[LoopbackServer, Outside]]:
    """An exchange whose clock stands so many minutes after the start, and a folder that names it."""
    clock = HandClock(START + now_minutes * MINUTE)
    async with loopback(protocol, clock_ms=clock.now_ms) as server:
        server.venue.candles["BTCUSDT"].load([each for each in candles if each.opened_ms < clock.at_ms])
        outside = Outside(folder)
        outside.configure("paper", exchange_of(server))
        yield server, outside


def file_of(outside: Outside, server: LoopbackServer, name: str = "BTC-USDT_1m") -> Path:
    """Where the history lies."""
    return outside.state / "history" / server.protocol.name / f"{name}.parquet"


def rows_in(path: Path) -> list[tuple[Any, ...]]:
    """The rows of a file; numbers by the shortest text that gives them back."""
    table = pq.read_table(path)
    return [
        tuple(int(cell) if at == 0 else Decimal(str(cell)) for at, cell in enumerate(row.values()))
        for row in table.to_pylist()
    ]


def told(candles: Sequence[VenueCandle]) -> list[tuple[Any, ...]]:
    """What the venue printed, as rows."""
    return [(each.opened_ms, each.open, each.high, each.low, each.close, each.volume) for each in candles]


def starts(server: LoopbackServer) -> list[int]:
    """The times from which candles were asked for."""
    asked = [line.params for line in server.requests if line.name is RequestName.CANDLES]
    return [int(params.get("startTime") or params["start"]) for params in asked]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_candle_comes_exactly_as_the_venue_printed_it(protocol: str, tmp_path: Path) -> None:
    """The one that is forming is not among them; gaps are told, and are no failure."""
    candles = [each for at, each in enumerate(past(2500)) if not 700 <= at < 730]
    async with market(protocol, tmp_path, candles, now_minutes=2500) as (server, outside):
        done = await outside.run(*FROM, "--json")
        assert done.code == 0, done
        report = json.loads(done.out)
        assert rows_in(file_of(outside, server)) == told(candles)
        assert (report["file"], report["end"]) == (str(file_of(outside, server)), "done")
        assert (report["rows"], report["new_rows"], report["gaps_total"]) == (2470, 2470, 1)
        gap = {"from": time_text(START + 700 * MINUTE), "to": time_text(START + 730 * MINUTE), "candles": 30}
        assert report["gaps"] == [gap]
        assert starts(server) == [START + minute * MINUTE for minute in (0, 1030, 2030)]
        assert "2470 rows, to" in done.err


async def test_a_second_run_asks_only_for_what_is_new(tmp_path: Path) -> None:
    """And a stretch that lies before; the file stays one piece."""
    candles = past(300)
    async with market("binance", tmp_path, candles, now_minutes=300) as (server, outside):
        words = ("history", "--symbol", "BTC/USDT", "--from")
        first = await outside.run(*words, time_text(START + 100 * MINUTE), "--to", time_text(START + 200 * MINUTE))
        assert first.code == 0, first
        assert rows_in(file_of(outside, server)) == told(candles[100:200])
        server.requests.clear()
        again = await outside.run(*words, time_text(START + 100 * MINUTE), "--to", time_text(START + 200 * MINUTE))
        assert (again.code, starts(server)) == (0, [])
        assert "rows: 100, 0 of them new" in again.out
        whole = await outside.run(*words, time_text(START))
        assert whole.code == 0, whole
        assert starts(server) == [START, START + 200 * MINUTE]
        assert rows_in(file_of(outside, server)) == told(candles)
        assert whole.out.splitlines()[1:4] == [
            f"covers: {time_text(START)} to {time_text(START + 300 * MINUTE)}",
            "rows: 300, 200 of them new",
            "gaps: none",
        ]


async def test_a_download_that_is_killed_leaves_whole_parts_and_goes_on_from_them(tmp_path: Path) -> None:
    """Nothing of them is asked for again, and the file is as if nothing had happened."""
    candles = past(14_000)
    async with market("bybit", tmp_path, candles, now_minutes=14_000) as (server, outside):
        parts = file_of(outside, server).with_suffix(".parts")
        async with outside.started(*FROM) as process:
            await server.until(lambda: any(parts.glob("*.parquet")), seconds=60)
            process.kill()
            await process.wait()
        assert not file_of(outside, server).exists()
        assert [path.name for path in parts.glob("*.parquet")] == [
            f"{START:015d}-{START + 10_000 * MINUTE:015d}.parquet"
        ]
        server.requests.clear()
        done = await outside.run(*FROM)
        assert done.code == 0, done
        assert starts(server)[0] == START + 10_000 * MINUTE
        assert rows_in(file_of(outside, server)) == told(candles)
        assert [path.name for path in parts.iterdir()] == ["lock"]


async def test_ctrl_c_keeps_what_came_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """The file can be replayed as it is."""
    candles = past(8_000)
    async with market("binance", tmp_path, candles, now_minutes=8_000) as (server, outside):
        async with outside.started(*FROM) as process:
            await server.until(lambda: len(starts(server)) >= 3, seconds=60)
            process.send_signal(signal.SIGINT)
            out, err = await _said(process)
            assert await process.wait() == 1, err
        assert err.splitlines()[-1] == "interrupted; what came is kept, and the same command goes on from there"
        kept = rows_in(file_of(outside, server))
        assert kept == told(candles[: len(kept)])
        assert 2_000 <= len(kept) < 8_000
        assert f"rows: {len(kept)}, {len(kept)} of them new" in out
        server.requests.clear()
        assert (await outside.run(*FROM)).code == 0
        assert starts(server)[0] == START + len(kept) * MINUTE
        assert rows_in(file_of(outside, server)) == told(candles)


async def _said(process: Any) -> tuple[str, str]:
    """What a process says to its end."""
    texts = {"out": b"", "err": b""}

    async def read(name: str, stream: Any) -> None:
        async for chunk in stream:
            texts[name] += chunk

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, "out", process.stdout)
            tasks.start_soon(read, "err", process.stderr)
    return texts["out"].decode(), texts["err"].decode()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_file_is_replayed_by_a_simulation(protocol: str, tmp_path: Path) -> None:
    """To its end, with trades."""
    async with market(protocol, tmp_path, past(400), now_minutes=400) as (server, outside):
        assert (await outside.run(*FROM)).code == 0
        path = file_of(outside, server)
    (tmp_path / "my.toml").write_text(REPLAY.format(path=path) + GRID)
    outside.state = tmp_path / "replayed"
    done = await outside.run("run", "--headless", "--until-end")
    assert done.code == 0, done
    (grid,) = json.loads(done.out)["grids"]
    assert grid["cycles"] > 0
    assert grid["profit"]["residual"] == "0"


@pytest.mark.parametrize(
    "protocol, kept, holes", [("binance", 150, []), ("bybit", 60, [(0, 90)])], ids=["all of them", "its newest alone"]
)
async def test_trades_come_as_far_back_as_the_exchange_tells(
    protocol: str, kept: int, holes: list[tuple[int, int]], tmp_path: Path
) -> None:
    """Exactly as they were printed; what the exchange does not tell any more is told as a gap."""
    clock = HandClock(START - 5 * MINUTE)
    async with loopback(protocol, clock_ms=clock.now_ms) as server:
        printed = []
        for number in range(150):
            clock.at_ms = START + (number // 2) * 2 * MINUTE
            price, amount = Decimal("60000.01") + number, Decimal("0.00123") * (number + 1)
            server.venue.print_trade("BTCUSDT", price, amount)
            printed.append((clock.at_ms, price, amount))
        clock.at_ms += MINUTE
        outside = Outside(tmp_path)
        outside.configure("paper", exchange_of(server))
        done = await outside.run(*FROM, "--trades", "--json")
        assert done.code == 0, done
        report = json.loads(done.out)
        assert rows_in(file_of(outside, server, "BTC-USDT_trades")) == printed[-kept:]
        found = [(gap["from"], gap["to"]) for gap in report["gaps"]]
        assert found == [(time_text(START + a * MINUTE), time_text(START + b * MINUTE)) for a, b in holes]
        clock.at_ms += MINUTE
        server.venue.print_trade("BTCUSDT", Decimal(61_000), Decimal("0.5"))
        printed.append((clock.at_ms, Decimal(61_000), Decimal("0.5")))
        clock.at_ms += MINUTE
        again = await outside.run(*FROM, "--trades", "--json")
        assert rows_in(file_of(outside, server, "BTC-USDT_trades")) == printed[-kept - 1 :]
        assert json.loads(again.out)["gaps_total"] == len(holes)


async def test_a_short_ban_is_told_and_waited_out(tmp_path: Path) -> None:
    """Nothing is asked for while it lasts."""
    async with loopback("binance") as server:
        now_ms = wall_ms()
        begin = now_ms - now_ms % MINUTE - 10 * MINUTE
        server.venue.candles["BTCUSDT"].load([a_candle(begin + at * MINUTE, at) for at in range(9)])
        server.faults.banned_until_ms = now_ms + 3_500
        outside = Outside(tmp_path)
        outside.configure("paper", exchange_of(server))
        done = await outside.run(*FROM[:-1], time_text(begin), "--to", time_text(begin + 9 * MINUTE))
        assert done.code == 0, done
        assert "; asking again in " in done.err
        assert server.faults.counts["banned"] == 1
        assert "rows: 9" in done.out


async def test_a_long_ban_is_not_waited_out(tmp_path: Path) -> None:
    """What came is kept, and the next run asks nothing before its end."""
    async with loopback("binance") as server:
        server.faults.banned_until_ms = wall_ms() + 3_600_000
        outside = Outside(tmp_path)
        outside.configure("paper", exchange_of(server))
        for _ in range(2):
            done = await outside.run(*FROM)
            assert (done.code, done.out) == (1, f"file: {file_of(outside, server)}\nrows: none yet\n")
            assert "a silence of 60 minutes is not waited out" in done.err
            assert done.err.splitlines()[-1].startswith("given up; what came is kept")
        assert server.faults.counts["banned"] == 1


@pytest.mark.parametrize(
    "words, trouble",
    [
        (("--symbol", "FOO/USDT", "--from", "2023-11-15"), "binance has no market FOO/USDT"),
        (("--symbol", "BTC/USDT", "--from", "2023-11-15", "--interval", "7m"), "expected a length that divides a day"),
        (("--symbol", "BTC/USDT", "--from", "2100-01-01"), "--from: expected a time with room for a closed candle"),
        (("--symbol", "BTCUSDT", "--from", "2023-11-15"), "expected BASE/QUOTE, such as BTC/USDT, found 'BTCUSDT'"),
        (("--symbol", "BTC/USDT", "--from", "yesterday"), "expected a date or a time in UTC, such as 2024-03-01"),
        (("--symbol", "BTC/USDT"), "the following arguments are required: --from"),
    ],
)
async def test_wrong_use_is_told_and_leaves_nothing_behind(
    words: tuple[str, ...], trouble: str, tmp_path: Path
) -> None:
    """With the exit code of wrong use."""
    async with market("binance", tmp_path, [], now_minutes=10) as (_, outside):
        done = await outside.run("history", *words)
    assert (done.code, done.out) == (2, "")
    assert trouble in done.err
    assert not (outside.state / "history").exists()


async def test_an_exchange_that_cannot_be_reached_is_given_up(tmp_path: Path) -> None:
    """The network's own way is to refuse at once."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server:
        outside.configure("paper", exchange_of(server, id="nowhere"))
        done = await outside.run(*FROM)
    assert done.code == 2
    assert "exchange.id: expected one of ccxt's exchanges with streams" in done.err
