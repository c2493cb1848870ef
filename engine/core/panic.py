"""The panic filter: leading symbols that fall below their mean on a multiple of their usual volume.

It trips on candles that are not finished yet and recovers on closed ones only, so it is quick to
protect and slow to trust. Leaders whose candles are missing or late are neither panicking nor normal;
when so many are that a panic could pass unnoticed, the filter says that it is blind.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from math import fsum

from engine.model.regime import Candle
from engine.model.risk import BreakerKind, PanicSettings, Trip


class PanicName(StrEnum):
    CALM = "calm"
    PANIC = "panic"
    BLIND = "blind"
    """Too few leaders can be seen to notice a panic."""


class Mood(StrEnum):
    """What the candles of one leader say."""

    NORMAL = "normal"
    PANICKING = "panicking"
    BETWEEN = "between"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderCandles:
    """The candles of one leader, oldest first; ``forming`` is the one that is not finished, if it is known."""

    closed: Sequence[Candle]
    forming: Candle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """A leader's mood with the figures."""

    symbol: str
    mood: Mood
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PanicState:
    """What the filter says since when; ``reason`` is why it changed, ``leaders`` are as they were last seen."""

    name: PanicName
    since_ms: int
    reason: str
    leaders: tuple[Leader, ...] = ()


NO_CANDLES = LeaderCandles(closed=())


def first_panic_state(at_ms: int) -> PanicState:
    """Nothing has been seen yet."""
    return PanicState(name=PanicName.BLIND, since_ms=at_ms, reason="no leader has been seen yet")


def next_panic(
    settings: PanicSettings, state: PanicState, candles: Mapping[str, LeaderCandles], now_ms: int
) -> PanicState:
    """The state after looking at the candles of all leaders; called when one arrives and when one is late."""
    leaders = tuple(mood_of(settings, symbol, candles.get(symbol, NO_CANDLES), now_ms) for symbol in settings.symbols)
    match state.name:
        case PanicName.PANIC:
            name, decisive = _after_panic(settings, leaders)
        case PanicName.CALM | PanicName.BLIND:
            name, decisive = _without_panic(settings, leaders)
    if name is state.name and name is not PanicName.BLIND:
        return replace(state, leaders=leaders)
    reason = "; ".join(f"{leader.symbol}: {leader.reason}" for leader in decisive)
    if name is state.name:
        return replace(state, reason=reason, leaders=leaders)
    return PanicState(name=name, since_ms=now_ms, reason=reason, leaders=leaders)


def panic_trips(state: PanicState) -> tuple[Trip, ...]:
    """What blocks openings: a panic, or that none could be noticed."""
    match state.name:
        case PanicName.CALM:
            return ()
        case PanicName.PANIC:
            return (Trip(kind=BreakerKind.MARKET_PANIC, reason=state.reason),)
        case PanicName.BLIND:
            return (Trip(kind=BreakerKind.LEADERS_UNSEEN, reason=state.reason),)


def mood_of(settings: PanicSettings, symbol: str, candles: LeaderCandles, now_ms: int) -> Leader:
    """What the candles of one leader say: the unfinished one or the last closed panics, the last closed is normal."""
    past = candles.closed[-settings.average_window - 1 :]
    problem = _why_unseen(settings, past, now_ms)
    if problem:
        return Leader(symbol=symbol, mood=Mood.UNSEEN, reason=problem)
    closed = _compare(settings, past[-1], past[:-1], "last closed candle")
    forming = candles.forming
    # One that is not newer than the closed ones is left over from before they closed.
    if forming is not None and forming.open_ms > past[-1].open_ms:
        unfinished = _compare(settings, forming, past[1:], "unfinished candle")
        if unfinished.is_panicking:
            return Leader(symbol=symbol, mood=Mood.PANICKING, reason=unfinished.words)
    if closed.is_panicking:
        return Leader(symbol=symbol, mood=Mood.PANICKING, reason=closed.words)
    return Leader(symbol=symbol, mood=Mood.NORMAL if closed.is_normal else Mood.BETWEEN, reason=closed.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    is_panicking: bool
    is_normal: bool
    words: str


def _compare(settings: PanicSettings, candle: Candle, before: Sequence[Candle], noun: str) -> _Comparison:
    """A candle against those before it; where everything stands still it equals its mean, and that is normal."""
    mean_close = fsum(each.close for each in before) / len(before)
    mean_volume = fsum(each.volume for each in before) / len(before)
    is_below = candle.close < mean_close
    is_loud = candle.volume > 0 if mean_volume == 0 else candle.volume / mean_volume > settings.volume_multiplier
    side = "below" if is_below else "at or above"
    loudness = "above" if is_loud else "within"
    return _Comparison(
        is_panicking=is_below and is_loud,
        is_normal=not is_below and not is_loud,
        words=(
            f"{noun} at {candle.close:.10g}, {side} its mean of {mean_close:.10g}, on a volume of "
            f"{candle.volume:.6g}, {loudness} {settings.volume_multiplier} times its mean of {mean_volume:.6g}"
        ),
    )


def _why_unseen(settings: PanicSettings, past: Sequence[Candle], now_ms: int) -> str:
    """Why these closed candles cannot be judged, empty if they can."""
    needed = settings.average_window + 1
    if len(past) < needed:
        return f"{len(past)} closed candles, {needed} are needed"
    steps = {later.open_ms - earlier.open_ms for earlier, later in pairwise(past)}
    if steps != {settings.interval_ms}:
        return f"the last {needed} closed candles are not one every {settings.interval_ms // 1000} s: some are missing"
    late_ms = now_ms - past[-1].open_ms - 2 * settings.interval_ms
    if late_ms > settings.stale_after_ms:
        return f"the next closed candle is {late_ms // 1000} s late, at most {settings.stale_after_ms // 1000} s"
    return ""


def _after_panic(settings: PanicSettings, leaders: Sequence[Leader]) -> tuple[PanicName, list[Leader]]:
    """A panic ends when enough leaders are normal, unless the others would begin it again at once."""
    if len(_of_mood(leaders, Mood.NORMAL)) >= settings.recovery:
        return _without_panic(settings, leaders)
    return PanicName.PANIC, _of_mood(leaders, Mood.PANICKING)


def _without_panic(settings: PanicSettings, leaders: Sequence[Leader]) -> tuple[PanicName, list[Leader]]:
    panicking, unseen = _of_mood(leaders, Mood.PANICKING), _of_mood(leaders, Mood.UNSEEN)
    if len(panicking) >= settings.trigger:
        return PanicName.PANIC, panicking
    if len(leaders) - len(unseen) < settings.trigger:
        return PanicName.BLIND, unseen
    return PanicName.CALM, _of_mood(leaders, Mood.NORMAL)


def _of_mood(leaders: Iterable[Leader], mood: Mood) -> list[Leader]:
    return [leader for leader in leaders if leader.mood is mood]
