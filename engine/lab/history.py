"""The history of a market from a real exchange into a file that a simulation replays; public data, without keys.

A download can be ended at any moment and goes on where it was: what has come is kept.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from engine.lab.download import Road, download_candles, download_trades
from engine.lab.history_file import Piece, read_piece, times_of
from engine.lab.history_store import HistoryStore, history_file, open_store
from engine.lab.history_words import End, Gap, HistoryReport, HistoryWish, Progress, Span
from engine.lab.patience import GivenUp, Patience
from engine.model.errors import SettingsInvalid
from engine.model.market import MarketKind, is_swap
from engine.model.times import time_text
from engine.runtime.clock import RealClock
from engine.settings import Settings
from engine.settings.words import interval_text

if TYPE_CHECKING:
    from engine.exchange.foreign.exchange import CcxtExchange

GAPS_MAX = 10_000
"""More are counted and not listed."""
DAY_MS = 86_400_000
_TRADES_SETTLE_MS = 10_000
"""Trades that are younger may still be told by the exchange."""
_CLOSE_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """Who hears of a download: how far it is, and what a person should know."""

    progress: Callable[[Progress], None]
    notice: Callable[[str], None]


def download_history(settings: Settings, wish: HistoryWish, ears: Ears) -> HistoryReport:
    """Download what is missing of a stretch; ctrl+c ends it in order.

    Raises:
        SettingsInvalid: the exchange, the market or the folder cannot be used.
    """
    if wish.interval_ms is not None and (wish.interval_ms > DAY_MS or DAY_MS % wish.interval_ms):
        raise SettingsInvalid("--interval: expected a length that divides a day, such as 1m, 15m, 4h or 1d")
    _make_state_dir(settings.engine.state_dir)
    with ExitStack() as stack:
        session = _Session(settings, wish, ears, stack)
        try:
            anyio.run(session.run)
        except KeyboardInterrupt:
            session.end = End.INTERRUPTED
        if session.store is None:
            return _nothing(session)
        whole = session.store.join()
        return _report(session, session.store, whole)


class _Session:
    """One download. ``store`` is None until the exchange has been reached."""

    def __init__(self, settings: Settings, wish: HistoryWish, ears: Ears, stack: ExitStack) -> None:
        self.store: HistoryStore | None = None
        self.wish = wish
        self.end = End.DONE
        self.reason = ""
        self.file = settings.engine.state_dir
        self._settings = settings
        self._ears = ears
        self._stack = stack
        self._patience = Patience(ears.notice)

    async def run(self) -> None:
        exchange = self._opened()
        self.file = history_file(
            self._settings.engine.state_dir, exchange.name.replace(" ", "-"), self.wish.symbol, _kind(self.wish)
        )
        try:
            await self._download(exchange)
        except GivenUp as given_up:
            self.end, self.reason = End.GIVEN_UP, str(given_up)
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS_MAX, shield=True):
                await exchange.close()

    async def _download(self, exchange: "CcxtExchange") -> None:
        wish = self.wish
        await self._patience.ask(partial(exchange.fetch_market, wish.symbol))
        await self._patience.ask(exchange.measure_clock)
        span = _span_of(wish, exchange.exchange_ms())
        named = {"exchange": exchange.name, "symbol": wish.symbol, "kind": _kind(wish)}
        store = self.store = self._stack.enter_context(
            open_store(self.file, named=named, is_trades=wish.interval_ms is None)
        )
        road = Road(
            source=exchange.history,
            store=store,
            patience=self._patience,
            symbol=wish.symbol,
            tell=self._ears.progress,
        )
        missing = store.missing(span)
        if missing and store.pieces and missing[-1].from_ms < span.from_ms:
            self._ears.notice(
                f"going on from {time_text(missing[-1].from_ms)}, where the file ends: it stays one piece"
            )
        for part in missing:
            if wish.interval_ms is None:
                await download_trades(road, part)
            else:
                await download_candles(road, part, wish.interval_ms)

    def _opened(self) -> "CcxtExchange":
        # Imported here: the exchange's library is slow.
        from engine.exchange.ccxt_exchange import CcxtOptions, open_ccxt

        exchange = self._settings.exchange
        return open_ccxt(
            CcxtOptions(
                exchange_id=exchange.id,
                market_type=MarketKind.SWAP if is_swap(self.wish.symbol) else MarketKind.SPOT,
                is_sandbox=exchange.sandbox,
                keys=None,
                ccxt=exchange.ccxt,
                symbols=(self.wish.symbol,),
                now_ms=RealClock().now_ms,
                state_dir=self._settings.engine.state_dir,
            )
        )


def _span_of(wish: HistoryWish, now_ms: int) -> Span:
    """The stretch that can be had now, on the edges of its candles. Raises ``SettingsInvalid``."""
    step_ms = wish.interval_ms or 1
    newest_ms = now_ms - _TRADES_SETTLE_MS if wish.interval_ms is None else now_ms
    end_ms = newest_ms if wish.to_ms is None else min(wish.to_ms, newest_ms)
    span_ms = -(-wish.from_ms // step_ms) * step_ms, end_ms // step_ms * step_ms
    if span_ms[0] >= span_ms[1]:
        what = "a trade" if wish.interval_ms is None else "a closed candle"
        raise SettingsInvalid(
            f"--from: expected a time with room for {what} before {time_text(end_ms)}, found {time_text(wish.from_ms)}"
        )
    return Span(from_ms=span_ms[0], to_ms=span_ms[1])


def _kind(wish: HistoryWish) -> str:
    return "trades" if wish.interval_ms is None else interval_text(wish.interval_ms)


def _make_state_dir(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsInvalid(f"state_dir {folder}: expected a folder to write in, found: {error.strerror}") from error


def _nothing(session: _Session) -> HistoryReport:
    return HistoryReport(
        end=session.end,
        reason=session.reason,
        file=session.file,
        span=None,
        rows=0,
        new_rows=0,
        aside_rows=0,
        gaps=(),
        gaps_total=0,
    )


def _report(session: _Session, store: HistoryStore, whole: Piece | None) -> HistoryReport:
    known = whole
    if known is None and store.file.exists():
        known = read_piece(store.file)
    gaps, total = ((), 0) if known is None else gaps_of(known, session.wish.interval_ms)
    return HistoryReport(
        end=session.end,
        reason=session.reason,
        file=store.file,
        span=None if known is None else known.span,
        rows=0 if known is None else known.rows,
        new_rows=store.added_rows,
        aside_rows=sum(piece.rows for piece in store.pieces if known is None or piece.path != known.path),
        gaps=gaps,
        gaps_total=total,
    )


def gaps_of(piece: Piece, interval_ms: int | None) -> tuple[tuple[Gap, ...], int]:
    """Where nothing was told in what a file covers, the first ``GAPS_MAX`` of them, and how many there are."""
    if interval_ms is None:
        return piece.holes[:GAPS_MAX], len(piece.holes)
    gaps: list[Gap] = []
    total, expected_ms = 0, piece.span.from_ms
    for times in chain(times_of(piece.path), ([piece.span.to_ms],)):
        for at_ms in times:
            if at_ms > expected_ms:
                total += 1
                if len(gaps) < GAPS_MAX:
                    missing = (at_ms - expected_ms) // interval_ms
                    gaps.append(Gap(from_ms=expected_ms, to_ms=at_ms, candles=missing))
            expected_ms = at_ms + interval_ms
    return tuple(gaps), total
