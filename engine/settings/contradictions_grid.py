"""The rules between the keys of one grid, each with where it is broken, what was expected and what was found."""

import re
from collections.abc import Iterator

from engine.model.grid import Direction, InitialPurchase, SizedBy, Spacing
from engine.model.money import text_from_decimal
from engine.model.risk import RiskSettings, StopBasis, StopRule
from engine.settings.facts import GridFacts, amount_of, sound_part, sound_section, word_of
from engine.settings.problems import Place, Problem, found
from engine.settings.schema_grid import range_around
from engine.settings.schema_risk import RiskSection, StopKind, StopSection, refusals
from engine.settings.schema_types import is_exact, number

_SLOT = re.compile("0|[1-9][0-9]{0,5}")
_BOUNDS = ("lower", "upper")
_AROUND = ("center", "step")
_TRAILS = ("trail_up_to", "trail_down_to")


def grid_contradictions(grid: GridFacts, common: RiskSection) -> Iterator[Problem]:
    """Everything that is wrong between the keys of a grid; ``common`` is the risk of all grids."""
    yield from _range(grid)
    yield from _one_size(grid)
    yield from _slot_sizes(grid)
    yield from _starts(grid)
    yield from _trailing(grid)
    yield from _infinite(grid)
    yield from _market(grid)
    yield from _stops(grid)
    yield from _risk(grid, common)


def _at(grid: GridFacts, *place: str | int) -> Place:
    return ("grid", grid.index, *place)


def _expected(grid: GridFacts, key: str, expected: str, note: str = "") -> Problem:
    return Problem(place=_at(grid, key), text=f"expected {expected}, found {found(grid.table.get(key))}{note}")


def _range(grid: GridFacts) -> Iterator[Problem]:
    bounds = [key for key in _BOUNDS if key in grid.table]
    around = [key for key in _AROUND if key in grid.table]
    if bool(bounds) == bool(around):
        given = _listed([*bounds, *around]) if bounds else "neither"
        text = f"expected lower and upper, or center and step, found {given}"
        yield Problem(place=_at(grid), text=text)
        return
    pair, what = (_BOUNDS, "a price above 0") if bounds else (_AROUND, "an amount above 0")
    for key in pair:
        if key not in grid.table:
            what = "a price above 0" if key == "center" else what
            yield Problem(place=_at(grid, key), text=f"expected {what}, found nothing")
    if around:
        yield from _step(grid)


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _step(grid: GridFacts) -> Iterator[Problem]:
    center, step = amount_of(grid.table, "center"), amount_of(grid.table, "step")
    spacing = word_of(grid.table, "spacing", Spacing, Spacing.GEOMETRIC)
    if step is None or spacing is None:
        return
    if spacing is Spacing.GEOMETRIC and step >= 1:
        yield _expected(grid, "step", "a fraction below 1 with geometric spacing (0.005 is 0.5 %)")
        return
    if center is None or grid.slots is None:
        return
    lower, upper = range_around(center, step, grid.slots, spacing)
    if lower <= 0:
        below = f"{grid.slots // 2} steps below a center of {text_from_decimal(center)} to end above 0"
        yield _expected(grid, "step", below)
    elif lower >= upper or not (is_exact(lower) and is_exact(upper)):
        yield _expected(grid, "step", f"a range of {grid.slots} slots that 12 digits can tell apart")


def _one_size(grid: GridFacts) -> Iterator[Problem]:
    given = [way.value for way in SizedBy if way in grid.table]
    if len(given) != 1:
        text = f"expected one of {', '.join(SizedBy)}, found {' and '.join(given) or 'none'}"
        yield Problem(place=_at(grid), text=text)


def _slot_sizes(grid: GridFacts) -> Iterator[Problem]:
    sizes = grid.table.get("sizes")
    for slot, size in sizes.items() if isinstance(sizes, dict) else ():
        if not _SLOT.fullmatch(slot) or (grid.slots is not None and int(slot) >= grid.slots):
            slots = "slots counted from 0" if grid.slots is None else f"slots from 0 to {grid.slots - 1}"
            yield Problem(place=_at(grid, "sizes"), text=f"expected {slots}, found {found(slot)}")
        elif not _is_size(size):
            text = f"expected an amount above 0, found {found(size)}"
            yield Problem(place=_at(grid, "sizes", slot), text=text)


def _is_size(size: object) -> bool:
    try:
        return number(size) > 0
    except ValueError:
        return False


def _starts(grid: GridFacts) -> Iterator[Problem]:
    if "start_below" in grid.table and "start_above" in grid.table:
        yield Problem(place=_at(grid), text="expected start_below or start_above, found both")


def _trailing(grid: GridFacts) -> Iterator[Problem]:
    if grid.lower is None or grid.upper is None:
        return
    up, down = amount_of(grid.table, "trail_up_to"), amount_of(grid.table, "trail_down_to")
    if up is not None and up <= grid.upper:
        yield _expected(grid, "trail_up_to", "a price above upper", f" (upper is {text_from_decimal(grid.upper)})")
    if down is not None and down >= grid.lower:
        yield _expected(grid, "trail_down_to", "a price below lower", f" (lower is {text_from_decimal(grid.lower)})")


def _infinite(grid: GridFacts) -> Iterator[Problem]:
    if grid.table.get("infinite") is not True:
        return
    if grid.direction in (Direction.SHORT, Direction.NEUTRAL):
        yield _expected(grid, "infinite", f"false: a {grid.direction} grid cannot be infinite")
    for key in _TRAILS:
        if key in grid.table:
            yield _expected(grid, key, f"no {key}: an infinite grid does not trail")


def _market(grid: GridFacts) -> Iterator[Problem]:
    """What spot cannot have and what a swap cannot have."""
    if grid.is_swap is None:
        return
    if grid.is_swap:
        if grid.table.get("initial_purchase") == InitialPurchase.HOLDINGS:
            yield _expected(grid, "initial_purchase", "one of limit, market, none: an account holds no coin of a swap")
        return
    for key in ("leverage", "margin"):
        if key in grid.table:
            yield _expected(grid, key, f"no {key} on a spot market")
    risk = grid.table.get("risk")
    if isinstance(risk, dict) and "liquidation_distance_min" in risk:
        distance = found(risk["liquidation_distance_min"])
        text = f"expected no liquidation_distance_min on a spot market, found {distance}"
        yield Problem(place=_at(grid, "risk", "liquidation_distance_min"), text=text)


def _stops(grid: GridFacts) -> Iterator[Problem]:
    tables = grid.table.get("stop")
    rules: list[StopRule] = []
    alone: set[str] = set()
    for index, table in enumerate(tables if isinstance(tables, list) else ()):
        stop = sound_section(StopSection, table)
        if stop is None:
            continue
        place = _at(grid, "stop", index)
        problems = [*_trail(stop)]
        if not problems:
            rules.append(stop.rule())
            refused = _refused(rules[-1])
            alone.update(refused)
            yield from (Problem(place=place, text=text) for text in refused)
            problems = [] if refused else [*_side(stop, grid), *_trips_at_start(stop, grid)]
        yield from (Problem(place=(*place, key), text=text) for key, text in problems)
    for text in _refused(*rules):
        if text not in alone:
            yield Problem(place=_at(grid, "stop"), text=text)


def _refused(*rules: StopRule) -> list[str]:
    return refusals(lambda: RiskSettings(stops=rules))


def _trail(stop: StopSection) -> Iterator[tuple[str, str]]:
    if stop.kind is StopKind.TRAILING_TAKE_PROFIT:
        if stop.trail is None:
            yield "trail", "expected by how much it may come back, an amount above 0, found nothing"
    elif stop.trail is not None:
        yield "trail", f"expected no trail for a {stop.kind}, found {found(stop.trail)}"


def _side(stop: StopSection, grid: GridFacts) -> Iterator[tuple[str, str]]:
    """A stop loss lies where the direction loses, a take profit where it earns, and neither across the range."""
    if stop.basis is StopBasis.TOTAL or grid.direction is None:
        return
    verb, basis = _way(stop.kind, grid.direction)
    if basis is not None and stop.basis is not basis:
        side = "falls" if basis is StopBasis.PRICE_FALLS else "rises"
        why = f"a {grid.direction} grid {verb} when the price {side}"
        yield "basis", f"expected {basis} or total: {why}, found {found(stop.basis)}"
    elif stop.basis is StopBasis.PRICE_FALLS and grid.upper is not None and stop.at >= grid.upper:
        yield "at", f"expected a price below upper, found {found(stop.at)} (upper is {found(grid.upper)})"
    elif stop.basis is StopBasis.PRICE_RISES and grid.lower is not None and stop.at <= grid.lower:
        yield "at", f"expected a price above lower, found {found(stop.at)} (lower is {found(grid.lower)})"


def _way(kind: StopKind, direction: Direction) -> tuple[str, StopBasis | None]:
    """What a grid of this direction does when a stop of this kind trips, and which way the price goes then."""
    verb = "loses" if kind is StopKind.STOP_LOSS else "earns"
    match direction:
        case Direction.LONG:
            return verb, StopBasis.PRICE_FALLS if verb == "loses" else StopBasis.PRICE_RISES
        case Direction.SHORT:
            return verb, StopBasis.PRICE_RISES if verb == "loses" else StopBasis.PRICE_FALLS
        case Direction.NEUTRAL:
            return verb, None


def _trips_at_start(stop: StopSection, grid: GridFacts) -> Iterator[tuple[str, str]]:
    """A stop at a price beyond the start trigger ends the grid at the price at which it begins."""
    if stop.kind is StopKind.TRAILING_TAKE_PROFIT:
        return
    below, above = amount_of(grid.table, "start_below"), amount_of(grid.table, "start_above")
    if stop.basis is StopBasis.PRICE_FALLS and below is not None and stop.at >= below:
        yield "at", f"expected a price below start_below, found {found(stop.at)} (start_below is {found(below)})"
    if stop.basis is StopBasis.PRICE_RISES and above is not None and stop.at <= above:
        yield "at", f"expected a price above start_above, found {found(stop.at)} (start_above is {found(above)})"


def _risk(grid: GridFacts, common: RiskSection) -> Iterator[Problem]:
    """What the grid's own section contradicts, in itself or in the common one under it."""
    own = sound_part(RiskSection, grid.table.get("risk", {}))
    if own is None:
        return
    known = set(common.problems())
    for key, text in own.over(common).problems():
        if (key, text) not in known:
            yield Problem(place=_at(grid, "risk", key) if key else _at(grid, "risk"), text=text)
