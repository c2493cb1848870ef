"""Facts in words: one line for a person, whatever is in the journal."""

from engine.core.ladder import RULE_WORDS
from engine.model.events import (
    BlocksChanged,
    CancelRequested,
    DecisionNarrowed,
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    FundingBooked,
    GridOpened,
    GridStateChanged,
    HoldingNoted,
    LateFillBooked,
    LatticeMigrated,
    LotAdopted,
    LotCorrected,
    LotSetAside,
    MarketAdopted,
    OrderIntended,
    OrderReleased,
    OrderReported,
    PositionLiquidated,
    RegimeChanged,
    RiskMarked,
    ShadowChanged,
    SlotFrozen,
    SlotThawed,
    WindowChanged,
)
from engine.model.grid import GridState, Lattice
from engine.model.market import Market
from engine.model.money import text_from_decimal
from engine.model.order import OrderReport, OrderStatus
from engine.model.snapshot import EngineEvent, EventLevel
from engine.model.words import by_text, shown_text, words_of

RESUMED_AFTER = "resumed though "
"""How the reason begins of a grid that goes on although something has happened to it that a person must know."""
_Words = tuple[EventLevel, int | None, str]
"""Level, slot and text."""


def event_from_fact(grid: str, fact: Fact, *, number: int, at_ms: int) -> EngineEvent:
    """Any fact in words, whether a running engine would tell of it or not."""
    level, slot, text = _fact_in_words(fact)
    return EngineEvent(number=number, at_ms=at_ms, level=level, grid=grid, slot=slot, text=text)


def _fact_in_words(fact: Fact) -> _Words:
    info = EventLevel.INFO
    match fact:
        case OrderReported():
            level, text = _report_in_words(fact.report)
            return level, fact.slot, text
        case LateFillBooked():
            return EventLevel.WARNING, fact.slot, _late_in_words(fact)
        case OrderIntended():
            return info, fact.slot, f"{fact.side} {_text(fact.amount)} at {_text(fact.price)}: {fact.reason}"
        case CancelRequested():
            return info, fact.slot, f"cancelling its order: {fact.reason}"
        case OrderReleased():
            return EventLevel.WARNING, fact.slot, f"order {fact.client_order_id} closed in the books: {fact.reason}"
        case LotSetAside():
            return info, fact.slot, f"lot booked as dust: {fact.reason}"
        case LotAdopted():
            return info, fact.slot, f"took {_text(fact.lot.quantity)} from the account's holdings"
        case SlotFrozen():
            return EventLevel.WARNING, fact.slot, f"frozen by {fact.by}: {fact.reason}"
        case SlotThawed():
            return info, fact.slot, f"thawed by {fact.by}"
        case GridStateChanged():
            return _level_of(fact), None, f"{_state_in_words(fact)} ({by_text(fact.by)})"
        case GridOpened():
            return info, None, _opening_in_words(fact.lattice)
        case DiscrepancyFound():
            return _discrepancy_in_words(fact)
        case DiscrepancyResolved():
            return info, None, _resolution_in_words(fact)
        case LotCorrected():
            return EventLevel.WARNING, fact.slot, _correction_in_words(fact)
        case HoldingNoted():
            return info, None, f"{_text(fact.beside)} on the account beside the lots: not ours, left alone"
        case MarketAdopted():
            return info, None, _market_in_words(fact.market)
        case WindowChanged():
            return info, None, f"window {fact.window}, as the configuration now says"
        case (
            RegimeChanged()
            | ShadowChanged()
            | BlocksChanged()
            | RiskMarked()
            | LatticeMigrated()
            | FundingBooked()
            | PositionLiquidated()
        ):
            return _sense_in_words(fact)
        case DecisionNarrowed():
            return info, None, _narrowing_in_words(fact)


def _sense_in_words(
    fact: RegimeChanged
    | ShadowChanged
    | BlocksChanged
    | RiskMarked
    | LatticeMigrated
    | FundingBooked
    | PositionLiquidated,
) -> _Words:
    """What market, risk, lattice and position bring."""
    info = EventLevel.INFO
    match fact:
        case RegimeChanged():
            return _regime_in_words(fact)
        case ShadowChanged():
            return info, None, _shadow_in_words(fact)
        case BlocksChanged():
            return EventLevel.WARNING if fact.blocks else info, None, f"{fact.reason} ({by_text(fact.by)})"
        case RiskMarked():
            state = fact.state
            peak, day = shown_text(state.peak_total), shown_text(state.day_start_total)
            return info, None, f"losses are counted from a total of {day} at midnight and {peak} at the peak"
        case LatticeMigrated():
            return EventLevel.WARNING, None, _migration_in_words(fact)
        case FundingBooked():
            return info, None, _funding_in_words(fact)
        case PositionLiquidated():
            told = fact.liquidation
            base, quote = _currencies(told.symbol)
            closed = f"{_text(abs(told.amount))} {base} at {_text(told.price)} {quote}"
            return EventLevel.ERROR, None, f"the exchange liquidated {closed}, fee {shown_text(told.fee)} {quote}"


def _regime_in_words(fact: RegimeChanged) -> _Words:
    long_rule, short_rule = RULE_WORDS[fact.long_entries], RULE_WORDS[fact.short_entries]
    rules = f"long: {long_rule}, short: {short_rule}"
    name = fact.name.replace("_", " ")
    return EventLevel.INFO, None, f"the market is {name} ({rules}): {'; '.join(fact.reasons)}"


def _shadow_in_words(fact: ShadowChanged) -> str:
    entered = [f"slot {entry.slot} would have been entered at {_text(entry.price)}" for entry in fact.filled]
    left = [f"slot {slot} would have completed a cycle" for slot in fact.left]
    price = _text(fact.ended_at)
    ended = [f"slot {slot} would have ended with the grid at {price}" for slot in fact.ended]
    return f"without the regime's filter {'; '.join([*entered, *left, *ended])}"


def _migration_in_words(fact: LatticeMigrated) -> str:
    levels = fact.lattice.levels
    ends = f"{len(fact.lattice.amounts)} slots from {_text(levels[0])} to {_text(levels[-1])}"
    moved = f", {len(fact.moved)} lots moved" if fact.moved else ""
    return f"lattice {fact.lattice.version}: {ends}{moved}: {fact.reason} ({by_text(fact.by)})"


def _funding_in_words(fact: FundingBooked) -> str:
    paid = fact.payment
    verb = "received" if paid.amount > 0 else "paid"
    base, quote = _currencies(paid.symbol)
    words = f"funding {verb}: {shown_text(abs(paid.amount))} {quote}"
    if not paid.mark_price:  # some exchanges tell no more than the amount
        return words
    return f"{words}, {paid.rate * 100:.4f} % on {_text(paid.position)} {base} at {_text(paid.mark_price)} {quote}"


def _narrowing_in_words(fact: DecisionNarrowed) -> str:
    slots = ", ".join(map(str, fact.left_out)) or "none"
    return f"decided without what was changing or refused (slots: {slots})"


def _opening_in_words(lattice: Lattice) -> str:
    slots = f"{len(lattice.amounts)} slots ({len(lattice.levels)} levels)"
    ends = f"{_text(lattice.levels[0])} to {_text(lattice.levels[-1])}"
    return f"opened {slots} from {ends} around {_text(lattice.anchor)}"


def _discrepancy_in_words(fact: DiscrepancyFound) -> _Words:
    found = fact.discrepancy
    if not fact.asks:
        text = f"{fact.name}: {found.detail}; dealt with as configured"
        return EventLevel.INFO, found.slot, text
    effect = next((choice.effect for choice in found.choices if choice.resolution is found.proposed), "")
    proposal = f"{found.proposed} ({effect})" if effect else found.proposed.value
    text = f"question {fact.name}: {found.detail}; proposed: {proposal}; until it is answered {found.unanswered}"
    return EventLevel.WARNING, found.slot, text


def _resolution_in_words(fact: DiscrepancyResolved) -> str:
    outcome = f", {fact.outcome}" if fact.outcome else ""
    return f"{fact.name} resolved by {fact.by}: {fact.resolution}{outcome}"


def _correction_in_words(fact: LotCorrected) -> str:
    lot = f"{_text(fact.lot.quantity)} of cost {_text(fact.lot.cost_quote)}"
    return f"written off {'from the dust' if fact.slot is None else 'from the lot'}: {lot}: {fact.reason}"


def _market_in_words(market: Market) -> str:
    tick, lot, notional = map(_text, (market.tick_size, market.lot_size, market.notional_min))
    return f"goes by the new rules of {market.symbol}: tick {tick}, lot {lot}, smallest order {notional} {market.quote}"


def _report_in_words(report: OrderReport) -> tuple[EventLevel, str]:
    match report.status:
        case OrderStatus.FILLED | OrderStatus.PARTIALLY_FILLED:
            return EventLevel.INFO, _fill_in_words(report)
        case OrderStatus.REJECTED:
            return EventLevel.WARNING, f"the exchange rejected the {report.side}: {report.reason}"
        case OrderStatus.EXPIRED:
            return (
                EventLevel.WARNING,
                f"the {report.side} would have taken and was not placed: {report.reason}",
            )
        case OrderStatus.UNKNOWN:
            return EventLevel.WARNING, f"outcome unknown, asking the exchange: {report.reason}"
        case OrderStatus.CANCELED:
            return (
                EventLevel.INFO,
                f"{report.side} at {_text(report.price)} canceled, {_text(report.filled)} filled",
            )
        case OrderStatus.INTENT | OrderStatus.SENT | OrderStatus.OPEN:
            return EventLevel.INFO, f"{report.side} at {_text(report.price)} is {report.status}"


def _fill_in_words(report: OrderReport) -> str:
    verb = "bought" if report.side == "buy" else "sold"
    is_whole = report.status is OrderStatus.FILLED
    if len(report.fills) == 1:
        fill = report.fills[0]
        fee = f", fee {_text(fill.fee)} {fill.fee_currency}"
        rest = "" if is_whole else f" ({_text(report.filled)} of {_text(report.amount)})"
        return f"{verb} {_text(fill.amount)} at {_text(fill.price)}{rest}{fee}"
    return f"{verb} {_text(report.filled)} of {_text(report.amount)} at {_text(report.price)}"


def _late_in_words(fact: LateFillBooked) -> str:
    verb = "bought" if fact.side == "buy" else "sold"
    told = ", ".join(
        f"{_text(fill.amount)} at {_text(fill.price)}, fee {_text(fill.fee)} {fill.fee_currency}" for fill in fact.fills
    )
    return f"told late: order {fact.client_order_id}, closed before, had {verb} {told}"


def _state_in_words(fact: GridStateChanged) -> str:
    """The state and why, ``paused: why``; a reason that begins with the name of the state has said it."""
    name = words_of(fact.state)
    return fact.reason if fact.reason.startswith(name) else f"{name}: {fact.reason}"


def _level_of(fact: GridStateChanged) -> EventLevel:
    if fact.state is GridState.HALTED:
        return EventLevel.ERROR
    return EventLevel.WARNING if fact.reason.startswith(RESUMED_AFTER) else EventLevel.INFO


def _currencies(symbol: str) -> tuple[str, str]:
    base, _, rest = symbol.partition("/")
    return base, rest.partition(":")[0]


_text = text_from_decimal
