"""``gridwright preflight``: what a grid would do and cost if it were started now, in figures to check.

The running engine is asked, for it knows the price, the account and its fees; where none runs, the configuration of
a simulation says what a fresh start would be, and a real exchange is asked itself. Nothing happens.
"""

import json
from argparse import Namespace
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from engine.cli.control import grid_named, with_engine
from engine.cli.output import DONE, FAILED, narrate, put
from engine.model.errors import SettingsInvalid
from engine.model.money import ZERO, text_from_decimal
from engine.model.preflight import Preflight, PreflightRow
from engine.model.snapshot import EngineSnapshot, Mode
from engine.model.text import clean_text
from engine.remote.client import RemoteClient
from engine.settings import Start, find_config, load_settings

_PROBLEM_MAX = 1000


def run_preflight(options: Namespace) -> int:
    """Print the pre-flight of a grid and return the exit code: failed if something forbids the start.

    Raises:
        SettingsInvalid: the configuration cannot be read, or there is no such grid.
        GridwrightError: the engine refused or failed.
    """
    if options.all:
        return _show_account(options)
    code = with_engine(options, _show)
    return _show_fresh(options) if code is None else code


def _show_account(options: Namespace) -> int:
    """The first pre-flight of every grid, asked of the exchange itself."""
    settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    if settings.engine.mode is Mode.SIMULATION:
        raise SettingsInvalid("engine.mode: expected paper or live with --all, found simulation")
    from engine.cli.account import ask_account, plan_text

    plan = ask_account(
        settings, Start(is_fresh=options.as_fresh, is_withdrawal_accepted=options.accept_withdrawal_keys)
    )
    put(json_from_value(plan) if options.json else plan_text(plan))
    return FAILED if plan.problems else DONE


async def _show(client: RemoteClient, options: Namespace) -> int:
    snapshot = await client.snapshot()
    grid = grid_named(snapshot, options)
    preflight = await client.preflight(grid.name)
    return _put(grid.name, preflight, _account(preflight, snapshot), options)


def _show_fresh(options: Namespace) -> int:
    """The pre-flight of a simulation that does not run, from its configuration alone."""
    settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    if settings.engine.mode is not Mode.SIMULATION:
        return _show_account(options)
    from engine.runtime.fresh_start import fresh_preflight

    names = [spec.name for spec in settings.grids]
    if options.grid is None and len(names) > 1:
        raise SettingsInvalid(f"expected --grid NAME, one of: {', '.join(names)}")
    name: str = names[0] if options.grid is None else options.grid
    preflight = fresh_preflight(settings, name)
    narrate("no engine runs: this is of a fresh start, at the first price and with the account of the configuration")
    account = settings.simulation
    free = f"{text_from_decimal(account.quote)} {clean_text(preflight.quote, 20)} and {text_from_decimal(account.base)}"
    return _put(name, preflight, f"{free} {clean_text(preflight.base, 20)} at a fresh start", options)


def _put(name: str, preflight: Preflight, account: str, options: Namespace) -> int:
    put(json_from_value(preflight) if options.json else preflight_text(name, preflight, account))
    return FAILED if preflight.problems else DONE


def json_from_value(value: object) -> str:
    """A model's value as one indented JSON object: amounts are plain decimal strings, names are its fields'."""
    return json.dumps(_plain(value), indent=2)


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return text_from_decimal(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def preflight_text(name: str, preflight: Preflight, account: str) -> str:
    """The pre-flight for people: what forbids or warns, the figures, and the ladder, highest slot first."""
    price = text_from_decimal(preflight.price)
    head = f"{clean_text(name, 32)}  {clean_text(preflight.symbol, 50)}  price {price}"
    figures = [*preflight_figures(preflight), ("account", account)]
    width = max(len(label) for label, _ in figures)
    return "\n".join(
        (
            head,
            *(f"  problem: {clean_text(text, _PROBLEM_MAX)}" for text in preflight.problems),
            *(f"  warning: {clean_text(text, _PROBLEM_MAX)}" for text in preflight.warnings),
            *(f"  {label.ljust(width)}  {text}" for label, text in figures),
            *table(preflight.rows),
        )
    )


def preflight_figures(preflight: Preflight) -> list[tuple[str, str]]:
    """The summary, each figure with its name; those that a grid does not have are left out."""
    quote, base = clean_text(preflight.quote, 20), clean_text(preflight.base, 20)
    rows = preflight.rows
    figures = [
        ("range", range_text(preflight)),
        ("needs", _needs_text(preflight, quote, base)),
        ("least investment", f"{_money(preflight.least_investment)} {quote}"),
        ("break-even step", _percent(preflight.break_even_step)),
        ("profit per cycle", profit_text(rows, quote)),
        ("traded at once", traded_text(preflight.now_base, preflight.now_quote, base, quote)),
        ("loss at the bound", f"{_money(preflight.loss_at_bound)} {quote}"),
        ("orders live", f"{preflight.orders_live}{_allowed(preflight.orders_max)}"),
        ("requests to start", f"{preflight.requests_to_start}{_allowed(preflight.requests_per_minute, ' a minute')}"),
    ]
    if preflight.average_entry is not None:
        figures.insert(6, ("average entry", _money(preflight.average_entry)))
    if preflight.stop_price is not None and preflight.loss_at_stop is not None:
        stop = f"{_money(preflight.loss_at_stop)} {quote} at {text_from_decimal(preflight.stop_price)}"
        figures.append(("loss at the stop", stop))
    if preflight.liquidation_price is not None:
        figures.append(("liquidation price", text_from_decimal(preflight.liquidation_price)))
    return figures


def _needs_text(preflight: Preflight, quote: str, base: str) -> str:
    needs = f"{_money(preflight.needs_quote)} {quote} and {text_from_decimal(preflight.needs_base)} {base}"
    trailing = [f"{_money(preflight.trailing_quote)} {quote}"] if preflight.trailing_quote else []
    trailing += [f"{text_from_decimal(preflight.trailing_base)} {base}"] if preflight.trailing_base else []
    return f"{needs}, of which {' and '.join(trailing)} for trailing" if trailing else needs


def range_text(preflight: Preflight) -> str:
    """``52000 to 68000 in 40 slots``."""
    rows = preflight.rows
    if not rows:
        return "no slots"
    return f"{text_from_decimal(rows[0].lower)} to {text_from_decimal(rows[-1].upper)} in {len(rows)} slots"


def profit_text(rows: tuple[PreflightRow, ...], quote: str) -> str:
    """The least and the most that a cycle earns, in money and as rates."""
    if not rows:
        return "none"
    profits, rates = [row.profit for row in rows], [row.rate for row in rows]
    money = f"{min(profits):z.4f} to {max(profits):z.4f} {quote}"
    return f"{money} ({_percent(min(rates))} to {_percent(max(rates))})"


def traded_text(base_amount: Decimal, quote_amount: Decimal, base: str, quote: str) -> str:
    """What is bought or sold at once; ``base_amount`` is negative where base is sold."""
    if base_amount == ZERO:
        return "nothing"
    verb = "buys" if base_amount > ZERO else "sells"
    return f"{verb} {text_from_decimal(abs(base_amount))} {base} for about {_money(abs(quote_amount))} {quote}"


def table(rows: tuple[PreflightRow, ...]) -> list[str]:
    """The ladder, highest slot first."""
    cells = [("slot", "lower", "upper", "side", "amount", "profit", "rate", "now")]
    cells += [
        (
            str(row.slot),
            text_from_decimal(row.lower),
            text_from_decimal(row.upper),
            row.side.value,
            text_from_decimal(row.amount),
            f"{row.profit:z.4f}",
            _percent(row.rate),
            row.side.value if row.opens_now else "-",
        )
        for row in reversed(rows)
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]


def _account(preflight: Preflight, snapshot: EngineSnapshot) -> str:
    wanted = (preflight.quote, preflight.base)
    free = [
        f"{text_from_decimal(balance.free)} {clean_text(balance.currency, 20)} free"
        f" and {text_from_decimal(balance.locked)} locked"
        for currency in wanted
        for balance in snapshot.balances
        if balance.currency == currency
    ]
    return "; ".join(free) or "not known"


def _allowed(most: int | None, unit: str = "") -> str:
    return "" if most is None else f", at most {most}{unit} allowed"


def _money(value: Decimal) -> str:
    """Two digits after the point for the eye; ``--json`` has them all."""
    return f"{value:z.2f}"


def _percent(rate: Decimal) -> str:
    return f"{rate * 100:z.4f}%"
