"""The help screen: the keys, the states, the columns and the words, every number explained."""

from collections.abc import Iterable

from engine.model.risk import BreakerKind
from tui.keys import TABLE, Key, Scope, footer_keys
from tui.present.pieces import BLANK, Line, Piece, Tone, fit_left, join_that_fit, wrap_words
from tui.present.questions import KIND_WORDS
from tui.present.regime import REGIME_SIGNS
from tui.present.risk import BLOCK_WORDS
from tui.present.words import ASKED, FROZEN, GRID_SIGNS, SLOT_SIGNS, Sign

_TERM_WIDTH = 16
_PANIC_PLACE = 5

_SLOT_TEXTS = {
    "empty": "no lot and no order; waits to enter",
    "entering": "an entry order rests: it opens this slot's lot",
    "holding": "the lot is held; no exit order rests (outside the window)",
    "exiting": "the lot is held and its exit order rests: it closes the cycle",
}
_GRID_TEXTS = {
    "starting": "waits for every part of the engine to report in",
    "running": "entries and exits are placed and kept",
    "paused": "by wish: entries are cancelled, exits stay",
    "exits only": "something forbids openings; exits go on; the reason is shown",
    "halted": "for cause: nothing is placed any more until a person resumes it with p",
    "stopping": "orders and inventory are being disposed of",
    "stopped": "at its end; places nothing until it is resumed with p",
}
_REGIME_TEXTS = {
    "ranging": "the price goes to and fro, or hardly moves: what a grid is made for",
    "trending up": "an efficient way up that ADX, choppiness or slope confirm",
    "trending down": "an efficient way down that ADX, choppiness or slope confirm",
    "volatile": "the market moves far more than has been usual here",
    "unknown": "too few candles, or some are missing: nobody can tell",
}
_BLOCK_TEXTS = {
    BreakerKind.PANIC_KEY: "! was pressed; only a person lifts it",
    BreakerKind.MARKET_PANIC: "leading markets fall on many times their volume; ends when they have recovered",
    BreakerKind.LEADERS_UNSEEN: "too few leading markets can be seen to notice a panic",
    BreakerKind.DAILY_LOSS: "lost more since midnight UTC than a day may cost",
    BreakerKind.DRAWDOWN: "lost more since the best total than is allowed",
    BreakerKind.FLOATING_LOSS: "what is held is worth too much less than it cost",
    BreakerKind.STOP_LOSS: "the stop loss ended the grid",
    BreakerKind.TAKE_PROFIT: "the take profit ended the grid",
    BreakerKind.TRAILING_TAKE_PROFIT: "the price or total came back from its best by the trail",
}
_COLUMNS = (
    ("#", "number of the slot, its for good; an edit gives new slots any free one. N slots, N+1 levels"),
    ("▌", "this slot holds a lot"),
    ("side", "BUY, SELL: a live order. buy, sell: what it would do next"),
    ("price", "price of the order, or the level it would act on next"),
    ("away", "distance from the market price to that price"),
    ("state", "state of the slot; ‖frozen is added by hand or by the engine"),
    ("amount", "amount of the order or of the lot, in the base currency"),
    ("filled", "how much of the order has been executed"),
    ("cyc", "finished cycles of this slot: one entry and its exit"),
    ("profit", "what this slot's cycles earned, fees already taken off"),
    ("order", "what the exchange last said of the order"),
    ("lower, upper", "the two levels of the slot: entry at one, exit at the other"),
    ("order id", "our own id of the order, never used twice"),
)
_WORDS = (
    ("total", "grid profit, floating and funding together: the change of cash and inventory"),
    ("grid profit", "realised by finished cycles, fees taken off"),
    ("floating", "what the held lots would win or lose if sold at the market price"),
    ("fees", "paid so far, in the quote currency; already inside the two above"),
    ("funding", "of a swap's position: received (+) or paid (−) at the exchange's hours"),
    ("liquidation", "where the exchange would close a swap's position; an alarm below 10% from the price"),
    ("margin", "what backs a swap's position, with its leverage: isolated, or cross with the whole account"),
    ("residual", "what the books cannot explain. Always 0; anything else is an alarm"),
    ("inventory", "base currency held by the grid's lots"),
    ("dust", "remainders too small for the exchange to sell; booked, not lost"),
    ("cash", "quote taken in (+) or paid out (−) by the fills; with inventory it is the total"),
    ("invested", "quote the whole ladder can need; the percentage is of this"),
    ("▲ a reason", "keeps the grid from acting, and why"),
    ("enter, leave", "an indicator is met from enter on, and stays met until it has passed leave"),
    ("shadow ledger", "what the entries that a regime held back would have lost and earned by now"),
    ("break-even step", "the least step between two levels that pays the fees of a cycle"),
    ("least possible", "the least quote with which every slot meets the least order of the market"),
    ("loss at bound", "lost when the price is at the far end of the range: the lowest level of a long grid"),
    ("lag", "how late the engine's own loop runs; below 50ms is well"),
    ("x60", "market seconds per second of yours, in simulation"),
    ("SIMULATION", "our market, our money: nothing is real"),
    ("PAPER", "the real market, our own matching: no order leaves"),
    ("LIVE", "the real market and real money"),
    ("NOT LIVE", "the past, as the journal has it: the ladder right after one record; nothing can be sent"),
)


_SCOPES = (
    Scope.DASHBOARD,
    Scope.LADDER,
    Scope.QUESTIONS,
    Scope.REGIME,
    Scope.RISK,
    Scope.PREFLIGHT,
    Scope.EDIT,
    Scope.REWIND,
    Scope.APP,
)


def manual_lines(width: int) -> tuple[Line, ...]:
    """The whole help text for this width."""
    parts: list[Line] = []
    for scope in _SCOPES:
        entries = [((Piece(key.shown, Tone.KEY),), key.help) for key in TABLE if key.scope is scope]
        parts.extend(_section(f"Keys {scope.value}", entries, width))
    slots = [
        *_signed_terms(SLOT_SIGNS.values(), _SLOT_TEXTS),
        ((FROZEN.piece(),), "by hand or by the engine: touched no more; fills are still booked"),
        ((ASKED.piece(),), "the books and the exchange disagree: R shows the question; frozen until it is answered"),
    ]
    parts.extend(_section("Slots", slots, width))
    parts.extend(_section("Grids", _signed_terms(GRID_SIGNS.values(), _GRID_TEXTS), width))
    kinds = [((Piece(kind.word, Tone.WARN),), kind.meaning) for kind in KIND_WORDS.values()]
    parts.extend(_section("Questions", kinds, width))
    parts.extend(_section("Regimes", _signed_terms(REGIME_SIGNS.values(), _REGIME_TEXTS), width))
    blocks = [((Piece(BLOCK_WORDS[kind], Tone.LOSS),), text) for kind, text in _BLOCK_TEXTS.items()]
    parts.extend(_section("Blocks", blocks, width))
    parts.extend(_section("Columns", [((Piece(name, Tone.STRONG),), text) for name, text in _COLUMNS], width))
    parts.extend(_section("Numbers and words", [((Piece(name, Tone.STRONG),), text) for name, text in _WORDS], width))
    return tuple(parts[:-1])


def _signed_terms(signs: Iterable[Sign], texts: dict[str, str]) -> list[tuple[Line, str]]:
    return [((sign.piece(),), texts[sign.word]) for sign in signs]


def _section(title: str, entries: Iterable[tuple[Line, str]], width: int) -> list[Line]:
    lines: list[Line] = [(Piece(title, Tone.HEAD),)]
    for term, text in entries:
        rows = wrap_words(text, max(width - _TERM_WIDTH - 2, 8))
        head = Piece("  " + fit_left(term[0].text, _TERM_WIDTH), term[0].tone)
        lines.append((head, Piece(rows[0])))
        lines.extend((Piece(" " * (_TERM_WIDTH + 2)), Piece(row)) for row in rows[1:])
    return [*lines, BLANK]


def footer_line(keys: Iterable[Key], width: int) -> Line:
    """As many whole keys as fit."""
    groups: list[Line] = [(Piece(key.shown, Tone.KEY), Piece(f" {key.label}", Tone.DIM)) for key in keys]
    return (Piece(" "), *join_that_fit(groups, width - 2))


def footer_for(
    width: int,
    *,
    has_many_grids: bool,
    can_set_speed: bool,
    has_questions: bool = False,
    is_bounded: bool = False,
    is_blocked: bool = False,
) -> Line:
    """The footer with only the keys that can do something now."""
    hidden = set() if has_questions else {"questions"}
    if not has_many_grids:
        hidden.add("next_grid")
    if not can_set_speed:
        hidden.update(("faster", "slower"))
    if not is_bounded:
        hidden.update(("market", "limits"))
    keys = [key for key in footer_keys() if key.id not in hidden]
    if is_bounded:
        # After leaving: what is looked for in a hurry stands where it is never cut off.
        keys[_PANIC_PLACE:_PANIC_PLACE] = footer_keys(scope=Scope.APP)
    if is_blocked:
        keys.sort(key=lambda key: key.id != "limits")
        keys.insert(_PANIC_PLACE, keys.pop(0))
    return footer_line(keys, width)
