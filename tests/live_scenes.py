"""Fixed scenes of a start of live trading: settings, and what an exchange answers about the account."""

from decimal import Decimal
from pathlib import Path

from engine.model.account import AccountPlan, GridPlan
from engine.model.snapshot import BalanceView
from engine.settings import Settings
from tests import preflight_scenes
from tests.settings_builders import GRID, load

LIVE = '[engine]\nmode = "live"\n'
SANDBOX = LIVE + "[exchange]\nsandbox = true\n"
SECOND = (
    GRID.replace('"btc"', '"eth"').replace("BTC/USDT", "ETH/USDT").replace("52000", "2000").replace("68000", "3000")
)
KEY = "3f9a01c27be4"


def settings(text: str, folder: Path) -> Settings:
    """Two grids in a state directory whose name does not depend on the machine."""
    return load(text + GRID + SECOND, folder, state_dir=Path("/var/lib/gridwright"))


def plan(*problems: str) -> AccountPlan:
    """One grid that begins, and one that goes on; the first with these problems."""
    fee = Decimal("0.001")
    begins = GridPlan(
        name="btc",
        symbol="BTC/USDT",
        is_new=True,
        maker_fee_rate=fee,
        taker_fee_rate=fee,
        preflight=preflight_scenes.preflight(),
        problems=problems,
    )
    goes_on = GridPlan(
        name="eth", symbol="ETH/USDT", is_new=False, maker_fee_rate=fee, taker_fee_rate=fee, preflight=None
    )
    balances = (
        BalanceView(currency="BTC", free=Decimal("0.25"), locked=Decimal(0)),
        BalanceView(currency="USDT", free=Decimal("10250.5"), locked=Decimal(1200)),
    )
    return AccountPlan(exchange="binance", key=KEY, balances=balances, grids=(begins, goes_on))
