"""A whole headless engine on the synthetic market, as fast as possible, for a test that kills it.

``python -m tests.sim.market_child STATE_DIR`` runs until it is killed and tells its story on stderr.
"""

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from engine.model.grid import InitialPurchase, SizedBy
from engine.runtime.headless import run_headless
from engine.settings import JournalKind, Settings, Source
from tests.builders import a_spec
from tests.sim.engine_builders import some_settings


def child_settings(state_dir: Path) -> Settings:
    """Twelve slots around a lively synthetic price, orders filled in parts, everything on disk."""
    grid = a_spec(
        lower=Decimal(9_400),
        upper=Decimal(10_600),
        slots=12,
        sized_by=SizedBy.QUOTE_PER_SLOT,
        size=Decimal(200),
        window=5,
        initial_purchase=InitialPurchase.LIMIT,
    )
    settings = some_settings(grid)
    simulation = replace(
        settings.simulation,
        source=Source.SYNTHETIC,
        start_price=Decimal(10_000),
        partial_fills=0.3,
        journal=JournalKind.FILE,
    )
    return replace(settings, engine=replace(settings.engine, state_dir=state_dir), simulation=simulation)


if __name__ == "__main__":
    sys.exit(int(run_headless(child_settings(Path(sys.argv[1])), until_end=False).is_halted))
