"""``Settings`` back to TOML, and the commented example to the user's configuration folder."""

import json
import os
import tempfile
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from engine.model.errors import SettingsInvalid
from engine.settings.loading import EXAMPLE_FILE
from engine.settings.tables import common_risk_table, grid_tables, regime_table
from engine.settings.values import ASK, MarketOverrides, Settings, SimulationSettings
from engine.settings.words import time_text


def document_from_settings(settings: Settings) -> dict[str, Any]:
    """The settings as the tables of ``config.toml``, amounts as Decimal; what is None is left out."""
    engine, exchange = settings.engine, settings.exchange
    tables = {
        "engine": {
            "mode": engine.mode,
            "state_dir": engine.state_dir,
            "reconcile_seconds": engine.reconcile_seconds,
            "on_exit": engine.on_exit,
        },
        "reconcile": {
            kind.value: ASK if answer is None else answer.value for kind, answer in settings.reconcile.items()
        },
        "exchange": {
            "id": exchange.id,
            "market_type": exchange.market_type,
            "sandbox": exchange.sandbox,
            "keys": exchange.keys,
            "ccxt": dict(exchange.ccxt),
        },
        "simulation": _simulation(settings.simulation),
        "regime": None if settings.regime is None else regime_table(settings.regime),
        "risk": common_risk_table(settings),
        "grid": grid_tables(settings),
    }
    document: dict[str, Any] = _plain(tables)
    return document


def toml_from_settings(settings: Settings) -> str:
    """The effective settings as a ``config.toml`` that reads back to the same settings."""
    import tomli_w

    return tomli_w.dumps(_with_whole_numbers(document_from_settings(settings)))


def json_from_settings(settings: Settings) -> str:
    """The effective settings as indented JSON, amounts as decimal strings."""
    return json.dumps(document_from_settings(settings), indent=2, default=str)


def write_example(target: Path, *, force: bool) -> Path | None:
    """Write the commented example to ``target``, atomically; the path of the backup if there was a file.

    A symbolic link is followed: the file it names is replaced, not the link.

    Raises:
        FileExistsError: there is a file already and ``force`` is False.
        SettingsInvalid: the folder or the file cannot be written.
    """
    target = Path(os.path.realpath(target))
    backup = target.with_name(target.name + ".bak") if target.exists() else None
    if backup is not None and not force:
        raise FileExistsError(f"{target} exists already; --force replaces it and keeps a backup")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if backup is not None:
            _write_atomically(backup, target.read_bytes())
        _write_atomically(target, EXAMPLE_FILE.read_bytes())
    except OSError as error:
        raise SettingsInvalid(f"{target}: expected a place to write, found: {error.strerror}") from error
    return backup


def _write_atomically(target: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except OSError:
        os.unlink(temporary)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _simulation(simulation: SimulationSettings) -> dict[str, Any]:
    return {
        "source": simulation.source,
        "seed": simulation.seed,
        "speed": simulation.speed,
        "path": simulation.path,
        "start": None if simulation.start_ms is None else time_text(simulation.start_ms),
        "base": simulation.base,
        "quote": simulation.quote,
        "start_price": simulation.start_price,
        "fill": simulation.fill,
        "latency_ms": simulation.latency_ms,
        "partial_fills": simulation.partial_fills,
        "every_tick": simulation.every_tick,
        "journal": simulation.journal,
        "funding_rate": simulation.funding_rate,
        "market": _market(simulation.market),
    }


def _market(market: MarketOverrides) -> dict[str, Any]:
    return {
        "tick": market.tick,
        "lot": market.lot,
        "min_notional": market.min_notional,
        "maker_fee": market.maker_fee,
        "taker_fee": market.taker_fee,
        "fee_currency": market.fee_currency,
        "contract_size": market.contract_size,
        "maintenance_rate": market.maintenance_rate,
        "leverage_max": market.leverage_max,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return value


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_whole_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(inner) for inner in value]
    if isinstance(value, Decimal | float) and value == int(value):
        return int(value)
    return value
