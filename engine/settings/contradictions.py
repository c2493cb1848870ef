"""The rules between the keys of a configuration, checked on the raw document.

So that they are reported together with what is wrong with single keys, and not after it. The rules
within one grid are in ``contradictions_grid``, those of a real exchange in ``contradictions_exchange``.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from engine.model.market import FeeCurrency
from engine.model.money import is_on_step, text_from_decimal
from engine.model.snapshot import Mode
from engine.model.text import clean_text
from engine.settings.contradictions_exchange import exchange_contradictions, mode_of
from engine.settings.contradictions_grid import grid_contradictions
from engine.settings.facts import GridFacts, Table, amount_of, grids_of, sound_part, sound_section, table_of
from engine.settings.problems import Place, Problem, found
from engine.settings.schema_regime import RegimeSection
from engine.settings.schema_risk import PanicSection, RiskSection

_SECRET_WORDS = ("apikey", "secret", "password", "passphrase", "privatekey", "token", "twofa")
_SWAP_RULES = ("contract_size", "maintenance_rate", "leverage_max")


def contradictions(document: Table) -> Iterator[Problem]:
    """Everything that is wrong between keys."""
    grids = grids_of(document)
    mode = mode_of(document)
    yield from _secrets(document)
    match mode:
        case Mode.SIMULATION | None:
            yield from _simulation(document, grids)
        case Mode.PAPER | Mode.LIVE:
            # Of [simulation], paper takes the balances and the rules of filling, live nothing: no rest contradicts.
            yield from exchange_contradictions(document, grids, list(_leaders(document, grids)))
    yield from _regime(document)
    common = sound_part(RiskSection, document.get("risk", {})) or RiskSection()
    yield from (Problem(place=("risk", key) if key else ("risk",), text=text) for key, text in common.problems())
    for grid in grids:
        yield from grid_contradictions(grid, common)
        if grid.table.get("regime") is True and not _has_regime(document):
            text = "expected a section [regime] that is enabled, found true without one"
            yield Problem(place=("grid", grid.index, "regime"), text=text)
    yield from _names(grids)
    yield from _accounts(grids, document)


def _has_regime(document: Table) -> bool:
    return "regime" in document and table_of(document, "regime").get("enabled", True) is not False


def _regime(document: Table) -> Iterator[Problem]:
    section = sound_part(RegimeSection, document.get("regime", {}))
    for key, text in () if section is None else section.problems():
        yield Problem(place=("regime", key) if key else ("regime",), text=text)


def _names(grids: list[GridFacts]) -> Iterator[Problem]:
    names = Counter(name for grid in grids if isinstance(name := grid.table.get("name"), str))
    seen: set[str] = set()
    for grid in grids:
        name = grid.table.get("name")
        if isinstance(name, str) and names[name] > 1:
            if name in seen:
                text = f"expected another name, found {found(name)} twice"
                yield Problem(place=("grid", grid.index, "name"), text=text)
            seen.add(name)


def _accounts(grids: list[GridFacts], document: Table) -> Iterator[Problem]:
    """A swap has one position, so it belongs to one grid; and an exchange bounds the leverage."""
    market = table_of(table_of(document, "simulation"), "market")
    is_simulated = mode_of(document) in (Mode.SIMULATION, None)
    leverage_max = amount_of(market, "leverage_max") if is_simulated else None
    firsts: dict[str, GridFacts] = {}
    for grid in grids:
        if grid.symbol is None or not grid.is_swap:
            continue
        leverage = amount_of(grid.table, "leverage") or Decimal(1)
        if leverage_max is not None and leverage > leverage_max >= 1:
            expected = f"at most {text_from_decimal(leverage_max)}, the leverage_max of simulation.market"
            text = f"expected {expected}, found {found(leverage)}"
            yield Problem(place=("grid", grid.index, "leverage"), text=text)
        first = firsts.setdefault(grid.symbol, grid)
        if first is not grid:
            expected = f"one grid on {clean_text(grid.symbol, 60)}, as a swap has one position"
            text = f"expected {expected}, found grid[{first.index}] on it as well"
            yield Problem(place=("grid", grid.index, "symbol"), text=text)


def _simulation(document: Table, grids: list[GridFacts]) -> Iterator[Problem]:
    simulation = table_of(document, "simulation")
    if simulation.get("source") == "replay":
        yield from _replay(simulation, document, grids)
    elif "start" in simulation:
        text = "expected no start: only a replay has a calendar, found one"
        yield Problem(place=("simulation", "start"), text=text)
    market = table_of(simulation, "market")
    yield from _swap_market(market, next((grid.symbol for grid in grids if grid.is_swap), None), grids)


def _swap_market(market: Table, swap: str | None, grids: list[GridFacts]) -> Iterator[Problem]:
    place: Place = ("simulation", "market")
    if swap is None:
        # A symbol that is wrong itself may have been meant as a swap.
        for key in _SWAP_RULES if all(grid.symbol for grid in grids) else ():
            if key in market:
                text = f"expected no {key}: no grid trades a swap, found {found(market[key])}"
                yield Problem(place=(*place, key), text=text)
        return
    if market.get("fee_currency") == FeeCurrency.RECEIVED:
        text = f'expected quote, or no such line: {clean_text(swap, 60)} is a swap, found "received"'
        yield Problem(place=(*place, "fee_currency"), text=text)
    lot, contract = amount_of(market, "lot"), amount_of(market, "contract_size")
    if lot is not None and contract is not None and not is_on_step(lot, contract):
        text = f"expected whole contracts of {text_from_decimal(contract)}, found {found(lot)}"
        yield Problem(place=(*place, "lot"), text=text)
    rate, leverage_max = amount_of(market, "maintenance_rate"), amount_of(market, "leverage_max")
    if rate is not None and leverage_max is not None and rate < 1 <= rate * leverage_max:
        expected = f"a fraction below 1/leverage_max, which is 1/{text_from_decimal(leverage_max)}"
        text = f"expected {expected}, found {found(rate)}"
        yield Problem(place=(*place, "maintenance_rate"), text=text)


def _replay(simulation: Table, document: Table, grids: list[GridFacts]) -> Iterator[Problem]:
    if "path" not in simulation:
        text = "expected a file of candles or trades to replay, found nothing"
        yield Problem(place=("simulation", "path"), text=text)
    symbols = [(grid.index, symbol) for grid in grids if isinstance(symbol := grid.table.get("symbol"), str)]
    if not symbols:
        return
    only = symbols[0][1]
    expected = f"{clean_text(only, 60)}: a replay has one symbol"
    for index, symbol in symbols[1:]:
        if symbol != only:
            yield Problem(place=("grid", index, "symbol"), text=f"expected {expected}, found {found(symbol)}")
    for place, leader in _leaders(document, grids):
        if leader != only:
            yield Problem(place=place, text=f"expected {expected}, found {found(leader)}")


def _leaders(document: Table, grids: list[GridFacts]) -> Iterator[tuple[Place, str]]:
    """The symbols that panic filters watch, each with its place."""
    sections: list[tuple[Place, Table]] = [((), document)]
    sections += [(("grid", grid.index), grid.table) for grid in grids]
    for place, table in sections:
        panic = sound_section(PanicSection, table_of(table, "risk").get("panic"))
        for number, leader in enumerate(() if panic is None else panic.symbols):
            yield (*place, "risk", "panic", "symbols", number), leader


def _secrets(document: Table) -> Iterator[Problem]:
    pending: list[tuple[Place, object]] = [(("exchange", "ccxt"), table_of(document, "exchange").get("ccxt"))]
    while pending:
        place, value = pending.pop()
        if not isinstance(value, dict):
            continue
        for key, inner in value.items():
            plain = key.lower().replace("_", "").replace("-", "")
            if any(word in plain for word in _SECRET_WORDS):
                text = "expected no secret in this file: exchange.keys says where the keys are"
                yield Problem(place=(*place, key), text=text)
            pending.append(((*place, key), inner))
