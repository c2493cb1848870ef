"""``gridwright quit``: it ends the engine in order, waits for the end, and asks where orders would stay unwatched."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.quit import _effect
from engine.model.grid import Disposal
from engine.model.snapshot import Mode
from tests import scenes
from tests.program import RUN, SYNTHETIC, Place

LIVE = replace(scenes.running(), mode=Mode.LIVE, exchange_id="binance")


async def test_it_ends_the_engine_and_the_next_one_can_begin_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path, SYNTHETIC)
    for _ in range(2):
        with place.start(*RUN) as running:
            await running.wait_for(lambda snapshot: snapshot.state == "running")
            outcome = place.run("quit")
            assert (outcome.code, outcome.err.splitlines()[-2:]) == (
                0,
                ["the engine is ending; on exit: leave", "the engine has ended"],
            )
            assert running.process.wait(30) == 0


def test_where_none_runs_it_fails_and_says_so(tmp_path: Path) -> None:
    outcome = Place(tmp_path, SYNTHETIC).run("quit")
    assert outcome.code == 1
    assert outcome.err.startswith("no engine is running: there is no socket at ")


@pytest.mark.parametrize(
    "on_exit, effect",
    [
        (
            Disposal.LEAVE,
            "the engine ends and leaves 24 orders on binance: they go on trading, and nobody places their exits",
        ),
        (Disposal.CANCEL, "the engine cancels 24 orders on binance and ends; what it holds stays held"),
        (
            Disposal.FLATTEN,
            "the engine cancels 24 orders on binance, sells what it holds at the market, and ends",
        ),
    ],
)
def test_what_becomes_of_real_orders_is_said_before(on_exit: Disposal, effect: str) -> None:
    assert _effect(replace(LIVE, on_exit=on_exit)) == effect


def test_nothing_is_asked_where_no_real_order_rests() -> None:
    assert _effect(replace(LIVE, mode=Mode.PAPER)) == ""
    assert _effect(replace(LIVE, grids=())) == ""
