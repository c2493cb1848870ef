"""Recorded markets: the books are exact after a crash and after a year, and the same seed gives the same journal."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.events import OrderReported
from engine.model.grid import GridSpec, GridState
from engine.model.order import OrderStatus
from tests.sim.engine_builders import assert_balanced
from tests.sim.recorded import (
    CRASH,
    CRASH_GRID,
    YEAR_2020,
    a_recorded_bench,
    candles_of,
    digest_of_crash,
    forty_slots,
    needs_data,
)

D = Decimal
TOP = Path(__file__).resolve().parents[2]


@needs_data
@pytest.mark.parametrize(
    ("path", "grid", "cycles_min"),
    [(CRASH, CRASH_GRID, 150), (YEAR_2020, forty_slots(3_700, 29_000), 100)],
    ids=["crash", "year"],
)
def test_a_recorded_market_ends_with_books_that_explain_the_account_to_the_last_unit(
    path: Path, grid: GridSpec, cycles_min: int
) -> None:
    """And never had a slot two live orders."""
    bench = a_recorded_bench(candles_of(path), grid)
    engine = bench.run()
    books = engine.coordinators["main"].books
    assert books.state is GridState.RUNNING
    assert books.ledger.cycles > cycles_min
    assert_balanced(bench, engine)


@needs_data
def test_a_crash_filled_in_parts_gives_the_same_journal_again_and_under_any_hash_seed() -> None:
    """In this process, and in two new ones that hash otherwise."""
    digests = {digest_of_crash()}
    for hash_seed in ("0", "1"):
        child = subprocess.run(
            [sys.executable, "-c", "from tests.sim.recorded import digest_of_crash as d; print(d())"],
            cwd=TOP,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(child.stdout.strip())
    assert len(digests) == 1


@needs_data
def test_a_crash_filled_in_parts_is_balanced_and_really_was_filled_in_parts() -> None:
    bench = a_recorded_bench(candles_of(CRASH), CRASH_GRID, partial_fills=D("0.3"))
    engine = bench.run()
    reports = [fact.report for fact in bench.facts(OrderReported)]
    assert sum(report.status is OrderStatus.PARTIALLY_FILLED for report in reports) > 100
    assert_balanced(bench, engine)
