"""Breakers: causes become blocks, and blocks end; never by a restart, never by being forgotten.

A block begins with its cause and its figures. It ends by itself when its cool-down is over and its
cause is gone, or by a person where one is needed. Blocks are plain data, journalled with the grid
or the engine that they block.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from engine.core.stops import DAY_MS
from engine.model.errors import CommandRefused
from engine.model.risk import Block, BreakerKind, RiskSettings, Trip
from engine.model.words import by_text, words_of

NOTHING_UNKNOWN: frozenset[BreakerKind] = frozenset()


def next_blocks(
    settings: RiskSettings,
    blocks: tuple[Block, ...],
    trips: Iterable[Trip],
    now_ms: int,
    unknown: Collection[BreakerKind] = NOTHING_UNKNOWN,
) -> tuple[Block, ...]:
    """The blocks from now on; ``trips`` are all causes that are there now.

    ``unknown`` are the kinds whose cause cannot be judged now: their blocks stay. The order is that of
    the blocks' beginnings.
    """
    causes: dict[BreakerKind, list[str]] = {}
    for trip in trips:
        causes.setdefault(trip.kind, []).append(trip.reason)
    kept = tuple(
        block for block in blocks if block.kind in causes or block.kind in unknown or not _is_over(block, now_ms)
    )
    known = {block.kind for block in kept}
    raised = tuple(
        _raise_block(settings, kind, "; ".join(reasons), now_ms)
        for kind, reasons in causes.items()
        if kind not in known
    )
    return kept + raised


def panic_key(by: str) -> Trip:
    """The trip of the panic key; only a person lifts what it brings."""
    return Trip(kind=BreakerKind.PANIC_KEY, reason=f"pressed {by_text(by)}")


def lift(blocks: tuple[Block, ...], kind: BreakerKind) -> tuple[Block, ...]:
    """The blocks after a person lifted one; if its cause is still there, it is raised again.

    Raises:
        CommandRefused: there is no such block.
    """
    left = tuple(block for block in blocks if block.kind is not kind)
    if left == blocks:
        names = ", ".join(words_of(block.kind) for block in blocks) or "none"
        raise CommandRefused(f"expected a block to lift, found no {words_of(kind)}; there are: {names}")
    return left


def next_end_ms(blocks: Iterable[Block], now_ms: int) -> int | None:
    """When the next cool-down is over, so that somebody looks then; None if none is running."""
    ends = (block.until_ms for block in blocks if block.until_ms is not None and block.until_ms > now_ms)
    return min(ends, default=None)


def with_settings(settings: RiskSettings, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Blocks under changed settings: one that now needs a person waits for one, and none gets easier to end."""
    return tuple(
        replace(block, until_ms=None, needs_person=True) if settings.rule_of(block.kind).needs_person else block
        for block in blocks
    )


def _is_over(block: Block, now_ms: int) -> bool:
    return block.until_ms is not None and now_ms >= block.until_ms


def _raise_block(settings: RiskSettings, kind: BreakerKind, reason: str, now_ms: int) -> Block:
    rule = settings.rule_of(kind)
    until_ms = now_ms + rule.cooldown_seconds * 1000
    if kind is BreakerKind.DAILY_LOSS:
        # Else a price around the limit would open and close the grid all day.
        until_ms = max(until_ms, (now_ms // DAY_MS + 1) * DAY_MS)
    return Block(
        kind=kind,
        reason=reason,
        since_ms=now_ms,
        until_ms=None if rule.needs_person else until_ms,
        needs_person=rule.needs_person,
    )
