"""What ``config.toml`` may hold: keys, kinds, ranges and defaults, checked by pydantic.

The description of a field is what the user reads after "expected". A validator of ours
raises ``ValueError(expected, note)``: other words for the description, and a remark on
what was found; both may be left out.
"""

import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from engine.model.errors import SettingsInvalid
from engine.model.grid import Direction, Disposal, GridSpec, InitialPurchase, SizedBy, Spacing
from engine.model.ids import GRIDS_MAX, SLOTS_MAX
from engine.model.market import FeeCurrency
from engine.model.money import ZERO, text_from_decimal
from engine.model.reconcile import DEFAULT_POLICY, RESOLUTIONS, DiscrepancyKind, Policy, Resolution
from engine.model.snapshot import Mode
from engine.settings.problems import problem_lines
from engine.settings.values import (
    ASK,
    EngineSettings,
    ExchangeSettings,
    FillRule,
    JournalKind,
    MarketOverrides,
    MarketType,
    Settings,
    SimulationSettings,
    Source,
)

_NUMBER = re.compile(r"[+-]?[0-9][0-9_]*(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_DECIMALS_MAX = 18
_DIGITS_BEFORE_POINT_MAX = 15
_PARTIAL_FILLS_SYNTHETIC = 0.1
_NEVER_ASKED = frozenset((DiscrepancyKind.FOREIGN_ORDER, DiscrepancyKind.UNKNOWN_OUTCOME))
"""Nobody could choose: an order that is not ours is never touched, and an outcome comes from the exchange alone."""


def _number(value: object) -> Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return _plain(Decimal(value))
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and Decimal(value).is_finite():
        return _plain(Decimal(value))
    raise ValueError


def _plain(number: Decimal) -> Decimal:
    """The number without a positive exponent and trailing zeros, refused where no amount can be that fine."""
    if number == ZERO:
        return ZERO
    if not -_DECIMALS_MAX <= number.adjusted() < _DIGITS_BEFORE_POINT_MAX:
        raise ValueError(f"at most {_DIGITS_BEFORE_POINT_MAX} digits before the point, {_DECIMALS_MAX} after it")
    plain = Decimal(text_from_decimal(number))
    _, digits, exponent = plain.as_tuple()
    if isinstance(exponent, str) or exponent < -_DECIMALS_MAX or len(digits) > 28:
        raise ValueError(f"at most 28 digits, {_DECIMALS_MAX} of them after the point")
    return plain


def _one_of(words: type[StrEnum]) -> str:
    return "one of " + ", ".join(words)


def _only_simulation(mode: Mode) -> Mode:
    if mode is not Mode.SIMULATION:
        raise ValueError("simulation: paper and live trading are not part of this version")
    return mode


def _only_long(direction: Direction) -> Direction:
    if direction is not Direction.LONG:
        raise ValueError("long on a spot market")
    return direction


def _two_currencies(symbol: str) -> str:
    base, _, quote = symbol.partition("/")
    if base == quote or not symbol.isprintable():
        raise ValueError
    return symbol


def _zero_or_seconds(seconds: float) -> float:
    if 0 < seconds < 1:
        raise ValueError
    return seconds


def _path_text(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError
    return text


_PathText = Annotated[str, AfterValidator(_path_text)]
_Amount = Annotated[Decimal, BeforeValidator(_number)]
_Positive = Annotated[_Amount, Field(gt=0, description="an amount above 0")]
_NotNegative = Annotated[_Amount, Field(ge=0, description="an amount of at least 0")]
_Price = Annotated[_Amount, Field(gt=0, description="a price above 0")]
_Fee = Annotated[_Amount, Field(ge=Decimal("-0.01"), lt=Decimal("0.1"), description="a fraction from -0.01 to 0.1")]
_Flag = Annotated[bool, Field(strict=True, description="true or false")]
_Count = Annotated[int, Field(strict=True, ge=1, le=SLOTS_MAX, description=f"a whole number from 1 to {SLOTS_MAX}")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineSection(_Section):
    mode: Annotated[Mode, AfterValidator(_only_simulation)] = Field(default=Mode.SIMULATION, description=_one_of(Mode))
    state_dir: _PathText = Field(default="~/.local/state/gridwright", description="a folder")
    reconcile_seconds: Annotated[float, BeforeValidator(_number), AfterValidator(_zero_or_seconds)] = Field(
        default=60.0, ge=0, le=86400, description="seconds from 1 to 86400, or 0 for no period"
    )
    on_exit: Disposal = Field(default=Disposal.LEAVE, description=_one_of(Disposal))


def _answer(kind: DiscrepancyKind) -> Any:
    """The field of a kind of discrepancy: a word that ends it, or ``ask``."""
    words = [answer.value for answer in RESOLUTIONS[kind]]
    if kind not in _NEVER_ASKED:
        words.append(ASK)
    default = DEFAULT_POLICY[kind]
    return Field(
        default=ASK if default is None else default.value,
        pattern=f"^({'|'.join(words)})$",
        description=f"one of {', '.join(words)}" if len(words) > 1 else words[0],
    )


class ReconcileSection(_Section):
    offline_fill: str = _answer(DiscrepancyKind.OFFLINE_FILL)
    partial_cancel: str = _answer(DiscrepancyKind.PARTIAL_CANCEL)
    order_closed: str = _answer(DiscrepancyKind.ORDER_CLOSED)
    vanished_order: str = _answer(DiscrepancyKind.VANISHED_ORDER)
    orphan_order: str = _answer(DiscrepancyKind.ORPHAN_ORDER)
    duplicate_order: str = _answer(DiscrepancyKind.DUPLICATE_ORDER)
    order_mismatch: str = _answer(DiscrepancyKind.ORDER_MISMATCH)
    foreign_order: str = _answer(DiscrepancyKind.FOREIGN_ORDER)
    unknown_outcome: str = _answer(DiscrepancyKind.UNKNOWN_OUTCOME)
    holding_short: str = _answer(DiscrepancyKind.HOLDING_SHORT)
    holding_over: str = _answer(DiscrepancyKind.HOLDING_OVER)
    lattice_mismatch: str = _answer(DiscrepancyKind.LATTICE_MISMATCH)
    second_instance: str = _answer(DiscrepancyKind.SECOND_INSTANCE)


class ExchangeSection(_Section):
    id: str = Field(
        default="binance", pattern="^[a-z0-9_]{1,40}$", description="the id of an exchange, such as binance"
    )
    market_type: MarketType = Field(default=MarketType.SPOT, description=_one_of(MarketType))
    sandbox: _Flag = False
    keys: str = Field(default="keyring", pattern="^(keyring|env|file:.+)$", description="keyring, env or file:PATH")
    ccxt: dict[str, Any] = Field(default_factory=dict, description="a table")


class MarketSection(_Section):
    tick: _Positive | None = Field(default=None, description="an amount above 0")
    lot: _Positive | None = Field(default=None, description="an amount above 0")
    min_notional: _NotNegative | None = Field(default=None, description="an amount of at least 0")
    maker_fee: _Fee | None = Field(default=None, description="a fraction from -0.01 to 0.1")
    taker_fee: _Fee | None = Field(default=None, description="a fraction from -0.01 to 0.1")
    fee_currency: FeeCurrency | None = Field(default=None, description=_one_of(FeeCurrency))


class SimulationSection(_Section):
    source: Source = Field(default=Source.SYNTHETIC, description=_one_of(Source))
    seed: int = Field(default=7, strict=True, ge=0, lt=2**63, description="a whole number of at least 0")
    speed: Annotated[float, BeforeValidator(_number)] = Field(
        default=60.0, ge=0, le=1e9, description="market seconds per second, 0 for as fast as possible"
    )
    path: _PathText | None = Field(default=None, description="a file of candles or trades")
    base: _NotNegative = ZERO
    quote: _NotNegative = Decimal(10000)
    market: MarketSection = Field(default=MarketSection(), description="a table")
    fill: FillRule = Field(default=FillRule.THROUGH, description=_one_of(FillRule))
    latency_ms: int = Field(default=25, strict=True, ge=0, le=60000, description="whole milliseconds from 0 to 60000")
    partial_fills: Annotated[float, BeforeValidator(_number)] | None = Field(
        default=None, ge=0, le=1, description="a fraction from 0 to 1"
    )
    every_tick: _Flag = False
    journal: JournalKind = Field(default=JournalKind.FILE, description=_one_of(JournalKind))
    start_price: _Price | None = Field(default=None, description="a price above 0")


class GridSection(_Section):
    name: str = Field(pattern="^[a-z0-9_-]{1,32}$", description="1 to 32 of a-z 0-9 _ -")
    symbol: Annotated[str, AfterValidator(_two_currencies)] = Field(
        pattern=r"^[^\s/:]{1,20}/[^\s/:]{1,20}$", description="BASE/QUOTE, such as BTC/USDT"
    )
    direction: Annotated[Direction, AfterValidator(_only_long)] = Field(
        default=Direction.LONG, description=_one_of(Direction)
    )
    spacing: Spacing = Field(default=Spacing.GEOMETRIC, description=_one_of(Spacing))
    upper: _Price
    lower: _Price
    slots: _Count
    quote_per_slot: _Positive | None = Field(default=None, description="an amount above 0")
    investment: _Positive | None = Field(default=None, description="an amount above 0")
    base_per_slot: _Positive | None = Field(default=None, description="an amount above 0")
    window: _Count = 20
    initial_purchase: InitialPurchase = Field(default=InitialPurchase.LIMIT, description=_one_of(InitialPurchase))

    @field_validator("lower")
    @classmethod
    def _below_upper(cls, lower: Decimal, info: ValidationInfo) -> Decimal:
        # ``upper`` is declared first: it is here only if it is sound itself.
        upper = info.data.get("upper")
        if upper is not None and lower >= upper:
            raise ValueError("a price below upper", f"upper is {text_from_decimal(upper)}")
        return lower


def _some(grids: tuple[GridSection, ...]) -> tuple[GridSection, ...]:
    # Not a length for pydantic to check: it counts only the grids that are sound.
    if not 1 <= len(grids) <= GRIDS_MAX:
        raise ValueError
    return grids


class Document(_Section):
    """The whole file."""

    engine: EngineSection = Field(default=EngineSection(), description="a table")
    reconcile: ReconcileSection = Field(default=ReconcileSection(), description="a table")
    exchange: ExchangeSection = Field(default=ExchangeSection(), description="a table")
    simulation: SimulationSection = Field(default=SimulationSection(), description="a table")
    grid: Annotated[tuple[GridSection, ...], AfterValidator(_some)] = Field(
        description=f"1 to {GRIDS_MAX} sections [[grid]]"
    )


def settings_from_document(document: dict[str, Any], *, label: str, folder: Path) -> Settings:
    """Check a parsed file; relative paths start at ``folder``, ``label`` stands before every problem.

    Raises:
        SettingsInvalid: with every problem.
    """
    try:
        checked, errors = Document.model_validate(document), []
    except ValidationError as error:
        checked, errors = None, error.errors(include_url=False)
    lines = problem_lines(errors, document, Document)
    if checked is None or lines:
        raise SettingsInvalid(*(f"{label}: {line}" for line in lines))
    try:
        return _settings(checked, folder)
    except RuntimeError as error:  # "~NAME" of somebody who does not exist
        raise SettingsInvalid(f"{label}: {error}") from None


def _settings(document: Document, folder: Path) -> Settings:
    engine, exchange = document.engine, document.exchange
    return Settings(
        engine=EngineSettings(
            mode=engine.mode,
            state_dir=folder / Path(engine.state_dir).expanduser(),
            reconcile_seconds=engine.reconcile_seconds,
            on_exit=engine.on_exit,
        ),
        exchange=ExchangeSettings(
            id=exchange.id,
            market_type=exchange.market_type,
            sandbox=exchange.sandbox,
            keys=exchange.keys,
            ccxt=exchange.ccxt,
        ),
        simulation=_simulation(document.simulation, folder),
        grids=tuple(_grid(grid) for grid in document.grid),
        file=None,
        reconcile=_policy(document.reconcile),
    )


def _policy(section: ReconcileSection) -> Policy:
    answers = dict(section)
    return {kind: None if answers[kind] == ASK else Resolution(answers[kind]) for kind in DiscrepancyKind}


def _simulation(section: SimulationSection, folder: Path) -> SimulationSettings:
    default = _PARTIAL_FILLS_SYNTHETIC if section.source is Source.SYNTHETIC else 0.0
    return SimulationSettings(
        source=section.source,
        seed=section.seed,
        speed=section.speed,
        path=None if section.path is None else folder / Path(section.path).expanduser(),
        base=section.base,
        quote=section.quote,
        market=MarketOverrides(**dict(section.market)),
        fill=section.fill,
        latency_ms=section.latency_ms,
        partial_fills=default if section.partial_fills is None else section.partial_fills,
        every_tick=section.every_tick,
        journal=section.journal,
        start_price=section.start_price,
    )


def _grid(section: GridSection) -> GridSpec:
    sizes = {
        SizedBy.QUOTE_PER_SLOT: section.quote_per_slot,
        SizedBy.INVESTMENT: section.investment,
        SizedBy.BASE_PER_SLOT: section.base_per_slot,
    }
    sized_by, size = next((way, size) for way, size in sizes.items() if size is not None)
    return GridSpec(
        name=section.name,
        symbol=section.symbol,
        direction=section.direction,
        spacing=section.spacing,
        lower=section.lower,
        upper=section.upper,
        slots=section.slots,
        sized_by=sized_by,
        size=size,
        window=section.window,
        initial_purchase=section.initial_purchase,
    )
