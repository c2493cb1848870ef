"""The first pre-flight on the command line: what the grids would do on a real account, without an engine."""

import anyio

from engine.cli.preflight import preflight_text
from engine.model.account import AccountPlan, GridPlan
from engine.model.errors import EngineStopped
from engine.model.money import text_from_decimal
from engine.model.text import clean_text
from engine.settings import Settings, Start

_PROBLEM_MAX = 1000


def ask_account(settings: Settings, start: Start) -> AccountPlan:
    """Ask the exchange of these settings what this start would be.

    Raises:
        SettingsInvalid: the keys or the exchange cannot be used.
        GridwrightError: the exchange refused or failed.
    """
    # Imported here: the exchange's library is slow.
    from engine.runtime.account_plan import ASKING_SECONDS_MAX, account_plan
    from engine.runtime.hardening import harden_process
    from engine.runtime.real_exchange import open_to_ask

    harden_process()
    try:
        return anyio.run(account_plan, settings, start, open_to_ask)
    except TimeoutError:
        seconds = f"{ASKING_SECONDS_MAX:g} seconds"
        raise EngineStopped(f"{settings.exchange.id}: expected an answer within {seconds}, found none") from None


def plan_text(plan: AccountPlan) -> str:
    """The plan for people: the account, then every grid."""
    account = clean_text(plan.exchange, 60) + (f", key {plan.key}" if plan.key else "")
    free = [
        f"{text_from_decimal(balance.free)} {clean_text(balance.currency, 20)} free and "
        f"{text_from_decimal(balance.locked)} locked"
        for balance in plan.balances
    ]
    money = "; ".join(free) or "nothing of what the grids trade"
    return "\n".join((f"{account}: {money}", *(_grid_text(grid, money) for grid in plan.grids)))


def _grid_text(grid: GridPlan, money: str) -> str:
    fees = f"maker {grid.maker_fee_rate * 100:z.4f}%, taker {grid.taker_fee_rate * 100:z.4f}%"
    head = f"\n{clean_text(grid.name, 32)}  {clean_text(grid.symbol, 50)}  fees {fees}"
    if grid.preflight is not None:
        return f"{head}\n{preflight_text(grid.name, grid.preflight, money)}"
    problems = [f"  problem: {clean_text(text, _PROBLEM_MAX)}" for text in grid.problems]
    return "\n".join((head, *(problems or ["  goes on from the journal"])))
