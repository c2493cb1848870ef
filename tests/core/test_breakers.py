"""Breakers: a block begins with its cause, ends by its rule, and is never forgotten."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.breakers import lift, next_blocks, next_end_ms, panic_key, with_settings
from engine.core.stops import DAY_MS
from engine.model.errors import CommandRefused
from engine.model.risk import Block, BreakerKind, BreakerRule, RiskSettings, Trip

SETTINGS = RiskSettings(
    breakers=(
        BreakerRule(kind=BreakerKind.FLOATING_LOSS, cooldown_seconds=60),
        BreakerRule(kind=BreakerKind.DRAWDOWN, cooldown_seconds=60, needs_person=True),
        BreakerRule(kind=BreakerKind.DAILY_LOSS, cooldown_seconds=60),
    )
)


def a_trip(kind: BreakerKind = BreakerKind.FLOATING_LOSS, reason: str = "figures") -> Trip:
    return Trip(kind=kind, reason=reason)


def a_block(kind: BreakerKind, since_ms: int, until_ms: int | None, reason: str = "figures") -> Block:
    return Block(kind=kind, reason=reason, since_ms=since_ms, until_ms=until_ms, needs_person=until_ms is None)


def test_a_trip_raises_one_block_that_keeps_its_first_figures() -> None:
    blocks = next_blocks(SETTINGS, (), [a_trip(reason="25 lost"), a_trip(reason="and more")], 1_000)
    assert blocks == (a_block(BreakerKind.FLOATING_LOSS, 1_000, 61_000, "25 lost; and more"),)
    assert next_blocks(SETTINGS, blocks, [a_trip(reason="30 lost")], 2_000) == blocks


@pytest.mark.parametrize(
    "now_ms, cause_is_there, stays",
    [(60_999, False, True), (61_000, True, True), (61_000, False, False), (10**12, True, True)],
)
def test_a_block_ends_after_its_cool_down_and_only_if_its_cause_is_gone(
    now_ms: int, cause_is_there: bool, stays: bool
) -> None:
    blocks = (a_block(BreakerKind.FLOATING_LOSS, 1_000, 61_000),)
    trips = [a_trip()] if cause_is_there else []
    assert next_blocks(SETTINGS, blocks, trips, now_ms) == (blocks if stays else ())


def test_a_block_whose_cause_cannot_be_judged_stays() -> None:
    blocks = (a_block(BreakerKind.FLOATING_LOSS, 1_000, 61_000),)
    assert next_blocks(SETTINGS, blocks, [], 70_000, unknown={BreakerKind.FLOATING_LOSS}) == blocks


def test_a_daily_loss_blocks_until_midnight_utc_though_the_price_recovers() -> None:
    blocks = next_blocks(SETTINGS, (), [a_trip(BreakerKind.DAILY_LOSS)], DAY_MS + 5)
    assert blocks == (a_block(BreakerKind.DAILY_LOSS, DAY_MS + 5, 2 * DAY_MS),)
    assert next_blocks(SETTINGS, blocks, [], 2 * DAY_MS - 1) == blocks
    assert next_blocks(SETTINGS, blocks, [], 2 * DAY_MS) == ()
    late = next_blocks(SETTINGS, (), [a_trip(BreakerKind.DAILY_LOSS)], 2 * DAY_MS - 1)
    assert late[0].until_ms == 2 * DAY_MS + 59_999


@pytest.mark.parametrize("kind", [BreakerKind.DRAWDOWN, BreakerKind.PANIC_KEY, BreakerKind.STOP_LOSS])
def test_what_needs_a_person_waits_for_one_however_long_its_cause_is_gone(kind: BreakerKind) -> None:
    """Finding L-26: a cool-down that was over cleared manual trips and divergences too."""
    trip = panic_key("alice") if kind is BreakerKind.PANIC_KEY else a_trip(kind)
    blocks = next_blocks(SETTINGS, (), [trip], 1_000)
    assert blocks == (a_block(kind, 1_000, None, trip.reason),)
    assert next_blocks(SETTINGS, blocks, [], 10**15) == blocks
    assert lift(blocks, kind) == ()


def test_the_panic_key_says_who_pressed_it() -> None:
    assert panic_key("alice") == Trip(kind=BreakerKind.PANIC_KEY, reason="pressed by alice")


def test_a_lifted_block_comes_back_while_its_cause_is_there() -> None:
    blocks = next_blocks(SETTINGS, (), [a_trip(BreakerKind.DRAWDOWN)], 1_000)
    assert next_blocks(SETTINGS, lift(blocks, BreakerKind.DRAWDOWN), [a_trip(BreakerKind.DRAWDOWN)], 9_000) == (
        a_block(BreakerKind.DRAWDOWN, 9_000, None),
    )


def test_lifting_what_is_not_there_is_refused_with_what_is() -> None:
    with pytest.raises(CommandRefused) as refused:
        lift((a_block(BreakerKind.DRAWDOWN, 0, None),), BreakerKind.PANIC_KEY)
    assert str(refused.value) == "expected a block to lift, found no panic key; there are: drawdown"


def test_the_next_end_is_that_of_the_next_cool_down_still_running() -> None:
    blocks = (
        a_block(BreakerKind.DRAWDOWN, 0, None),
        a_block(BreakerKind.FLOATING_LOSS, 0, 500),
        a_block(BreakerKind.DAILY_LOSS, 0, 900),
    )
    assert [next_end_ms(blocks, now) for now in (0, 500, 900)] == [500, 900, None]


def test_changed_settings_never_make_a_block_easier_to_end() -> None:
    block = a_block(BreakerKind.FLOATING_LOSS, 0, 500)
    person = a_block(BreakerKind.DRAWDOWN, 0, None)
    strict = RiskSettings(breakers=(BreakerRule(kind=BreakerKind.FLOATING_LOSS, needs_person=True),))
    lenient = RiskSettings(breakers=(BreakerRule(kind=BreakerKind.DRAWDOWN),))
    assert with_settings(strict, (block, person)) == (a_block(BreakerKind.FLOATING_LOSS, 0, None), person)
    assert with_settings(lenient, (block, person)) == (block, person)


def test_a_block_survives_a_journal_and_a_restart() -> None:
    blocks = next_blocks(SETTINGS, (), [a_trip(), panic_key("alice")], 1_000)
    read_back = msgspec.json.decode(msgspec.json.encode(blocks), type=tuple[Block, ...])
    assert read_back == blocks
    assert next_blocks(SETTINGS, read_back, [], 2_000) == blocks


@given(
    st.lists(st.tuples(st.integers(1, 90_000), st.sets(st.sampled_from(list(BreakerKind)))), max_size=12),
)
def test_no_cause_is_ever_without_its_block_and_no_block_ends_early(
    looks: list[tuple[int, set[BreakerKind]]],
) -> None:
    blocks: tuple[Block, ...] = ()
    now_ms = 0
    for wait_ms, kinds in looks:
        now_ms += wait_ms
        after = next_blocks(SETTINGS, blocks, [a_trip(kind) for kind in sorted(kinds)], now_ms)
        assert kinds <= {block.kind for block in after}
        assert len({block.kind for block in after}) == len(after)
        for gone in set(blocks) - set(after):
            assert gone.kind not in kinds
            assert gone.until_ms is not None
            assert gone.until_ms <= now_ms
        blocks = after
