"""What a person reads before real money is traded: the account, every grid on it, and what each of them would do."""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.account import AccountPlan, GridPlan
from engine.model.grid import GridSpec
from engine.model.money import ZERO, text_from_decimal
from engine.model.preflight import Preflight
from engine.model.text import clean_text
from engine.settings import Settings
from tui.present.numbers import number
from tui.present.pieces import BLANK, Line, Piece, Tone, cut_line, fit_left, line_width, wrap_words
from tui.present.words import STAGE_BANNERS, Stage, stage_of_mode

_LABEL_WIDTH = 14
_INDENT = 4
_MONEY_PLACES = 2
_PROBLEM_LIMIT = 1000
WORD = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking the exchange: ``plan`` or ``problems``; neither while it is being asked."""

    plan: AccountPlan | None = None
    problems: tuple[str, ...] = ()

    @property
    def forbids(self) -> tuple[str, ...]:
        """Why nothing may be started, or not yet."""
        if self.problems:
            return self.problems
        return ("the exchange has not answered yet",) if self.plan is None else self.plan.problems


def phrase_of(settings: Settings) -> str:
    """What has to be typed: ``binance live``."""
    return f"{settings.exchange.id} {WORD}"


def is_typed(text: str, settings: Settings) -> bool:
    """Whether the whole phrase was typed; case and blanks do not matter."""
    return " ".join(text.lower().split()) == phrase_of(settings).lower()


def live_head(settings: Settings, width: int) -> Line:
    """The bar at the top: what is at stake, and that nothing has happened yet."""
    stage = stage_of_mode(settings.engine.mode, is_sandbox=settings.exchange.sandbox)
    banner = STAGE_BANNERS[stage]
    money = "real money" if stage is Stage.LIVE else "the exchange's testnet, no real money"
    text = f" {settings.exchange.id} {settings.exchange.market_type}: {money}. Nothing has been started yet."
    line = cut_line((banner, Piece(text, banner.tone)), width)
    return *line, Piece(" " * (width - line_width(line)), banner.tone)


def live_lines(settings: Settings, asked: Asked, width: int) -> tuple[Line, ...]:
    """Account, engine and grids, with what the exchange said of them."""
    lines: list[Line] = [BLANK, *_account_lines(settings, asked, width), BLANK]
    plans = {} if asked.plan is None else {plan.name: plan for plan in asked.plan.grids}
    for spec in settings.grids:
        lines += [*_grid_lines(spec, plans.get(spec.name), width), BLANK]
    return tuple(lines)


def _account_lines(settings: Settings, asked: Asked, width: int) -> list[Line]:
    plan = asked.plan
    lines: list[Line] = []
    if plan is not None:
        lines += _labelled("account", f"key {plan.key}" if plan.key else "no key", width, tone=Tone.STRONG)
        lines += _labelled("balances", _balances_text(plan), width)
    elif not asked.problems:
        lines += _labelled("account", f"asking {settings.exchange.id} ...", width, tone=Tone.WARN)
    for problem in asked.problems:
        lines += _labelled("problem", problem, width, tone=Tone.LOSS)
    lines += _labelled("state", str(settings.engine.state_dir), width)
    return [*lines, *_labelled("on exit", settings.engine.on_exit.value, width)]


def _balances_text(plan: AccountPlan) -> str:
    shown = [
        f"{text_from_decimal(balance.free)} {balance.currency} free"
        + (f" and {text_from_decimal(balance.locked)} locked" if balance.locked else "")
        for balance in plan.balances
    ]
    return ", ".join(shown) or "nothing of what the grids trade"


def _grid_lines(spec: GridSpec, plan: GridPlan | None, width: int) -> list[Line]:
    head: Line = (
        Piece(f"  {clean_text(spec.name, 32)} ", Tone.STRONG),
        Piece(f"{clean_text(spec.symbol, 40)}  "),
        Piece(f"{spec.direction}, {spec.slots} slots from {_plain(spec.lower)} to {_plain(spec.upper)}", Tone.DIM),
    )
    lines = [cut_line(head, width), *_labelled("size", f"{_plain(spec.size)} {_size_words(spec)}", width)]
    if plan is None:
        return lines
    fees = f"maker {_percent(plan.maker_fee_rate)}, taker {_percent(plan.taker_fee_rate)}"
    lines += _labelled("fees", fees, width)
    if plan.preflight is not None:
        lines += _flight_lines(plan.preflight, width)
    elif not plan.problems:
        lines += _labelled("goes on", "from its journal, with the orders and lots that are there", width)
    for problem in plan.problems:
        lines += _labelled("problem", problem, width, tone=Tone.LOSS)
    return lines


def _flight_lines(flight: Preflight, width: int) -> list[Line]:
    quote, base = clean_text(flight.quote, 12), clean_text(flight.base, 12)
    binds = f"{_money(flight.needs_quote)} {quote}"
    if flight.needs_base:
        binds += f" and {_plain(flight.needs_base)} {base}"
    lines = [
        *_labelled("binds", binds, width, tone=Tone.STRONG),
        *_labelled("at once", f"{_trade_text(flight, base, quote)}, {flight.orders_live} orders", width),
    ]
    if flight.rows:
        profits = [row.profit for row in flight.rows]
        lines += _labelled("a cycle", f"{_money(min(profits))} to {_money(max(profits))} {quote} net of fees", width)
    lines += _labelled("at the bound", f"a loss of {_money(flight.loss_at_bound)} {quote}", width)
    for warning in flight.warnings:
        lines += _labelled("warning", warning, width, tone=Tone.WARN)
    return lines


def _trade_text(flight: Preflight, base: str, quote: str) -> str:
    if flight.now_base == ZERO:
        return f"trades nothing at {_plain(flight.price)}"
    verb = "buys" if flight.now_base > ZERO else "sells"
    worth = f"{_money(abs(flight.now_quote))} {quote}"
    return f"{verb} {_plain(abs(flight.now_base))} {base} for about {worth}"


def _size_words(spec: GridSpec) -> str:
    base, _, quote = spec.symbol.partition(":")[0].partition("/")
    words = {"quote_per_slot": f"{quote} a slot", "base_per_slot": f"{base} a slot", "investment": f"{quote} in all"}
    leverage = f", leverage {_plain(spec.leverage)}" if spec.leverage != 1 else ""
    return clean_text(words[spec.sized_by.value], 40) + leverage


def _labelled(label: str, text: str, width: int, *, tone: Tone = Tone.TEXT) -> list[Line]:
    room = max(width - _INDENT - _LABEL_WIDTH, 8)
    rows = wrap_words(clean_text(text, _PROBLEM_LIMIT), room)
    first = (Piece(" " * _INDENT), Piece(fit_left(label, _LABEL_WIDTH), Tone.DIM), Piece(rows[0], tone))
    return [first, *((Piece(" " * (_INDENT + _LABEL_WIDTH)), Piece(row, tone)) for row in rows[1:])]


def _plain(value: Decimal) -> str:
    whole, _, rest = text_from_decimal(value).partition(".")
    return f"{int(whole):,}" + (f".{rest}" if rest else "")


def _money(value: Decimal) -> str:
    return number(value, _MONEY_PLACES)


def _percent(rate: Decimal) -> str:
    return f"{text_from_decimal((rate * 100).normalize())} %"


def live_hint(settings: Settings, asked: Asked, *, is_refused: bool) -> Line:
    """What can be done now, in one line."""
    leave = Piece("esc", Tone.KEY), Piece(" leaves, nothing is started")
    if asked.forbids:
        is_asking = asked.plan is None and not asked.problems
        why = (
            Piece(" asking the exchange  ", Tone.WARN) if is_asking else Piece(" not possible, see above  ", Tone.LOSS)
        )
        return why, Piece("f5", Tone.KEY), Piece(" asks again  "), *leave
    if settings.exchange.sandbox:
        return Piece(" y", Tone.KEY), Piece(" starts the engine  "), *leave
    said = "that is not it; type " if is_refused else "type "
    return (
        Piece(f" {said}", Tone.WARN if is_refused else Tone.TEXT),
        Piece(phrase_of(settings), Tone.KEY),
        Piece(" and press enter to start  "),
        *leave,
    )
