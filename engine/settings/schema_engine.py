"""``[engine]``, ``[reconcile]`` and ``[exchange]``: their keys, ranges and defaults."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from engine.model.grid import Disposal
from engine.model.reconcile import DEFAULT_POLICY, RESOLUTIONS, DiscrepancyKind, Policy, Resolution
from engine.model.snapshot import Mode
from engine.settings.schema_types import Flag, Number, PathText, Section, one_of
from engine.settings.values import ASK, EngineSettings, ExchangeSettings, MarketType

DEAD_MAN_SECONDS_MIN = 30
"""A shorter one would cancel everything whenever the line is slow."""
_NEVER_ASKED = frozenset((DiscrepancyKind.FOREIGN_ORDER, DiscrepancyKind.UNKNOWN_OUTCOME))
"""Nobody could choose: an order that is not ours is never touched, and an outcome comes from the exchange alone."""


def _zero_or_seconds(seconds: float) -> float:
    if 0 < seconds < 1:
        raise ValueError
    return seconds


def _zero_or_long(seconds: float) -> float:
    if 0 < seconds < DEAD_MAN_SECONDS_MIN:
        raise ValueError
    return seconds


class EngineSection(Section):
    """``[engine]``."""

    mode: Mode = Field(default=Mode.SIMULATION, description=one_of(Mode))
    state_dir: PathText = Field(default="~/.local/state/gridwright", description="a folder")
    reconcile_seconds: Annotated[float, Number, AfterValidator(_zero_or_seconds)] = Field(
        default=60.0, ge=0, le=86400, description="seconds from 1 to 86400, or 0 for no period"
    )
    on_exit: Disposal = Field(default=Disposal.LEAVE, description=one_of(Disposal))

    def settings(self, folder: Path) -> EngineSettings:
        """As the engine takes it; a relative folder lies in ``folder``."""
        return EngineSettings(
            mode=self.mode,
            state_dir=folder / Path(self.state_dir).expanduser(),
            reconcile_seconds=self.reconcile_seconds,
            on_exit=self.on_exit,
        )


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


class ReconcileSection(Section):
    """``[reconcile]``."""

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

    def policy(self) -> Policy:
        """As the engine takes it."""
        answers = dict(self)
        return {kind: None if answers[kind] == ASK else Resolution(answers[kind]) for kind in DiscrepancyKind}


class ExchangeSection(Section):
    """``[exchange]``."""

    id: str = Field(
        default="binance", pattern="^[a-z0-9_]{1,40}$", description="the id of an exchange, such as binance"
    )
    market_type: MarketType = Field(default=MarketType.SPOT, description=one_of(MarketType))
    sandbox: Flag = False
    keys: str = Field(default="keyring", pattern="^(keyring|env|file:.+)$", description="keyring, env or file:PATH")
    dead_man_seconds: Annotated[float, Number, AfterValidator(_zero_or_long)] = Field(
        default=0.0, ge=0, le=3600, description=f"seconds from {DEAD_MAN_SECONDS_MIN} to 3600, or 0 for no such switch"
    )
    ccxt: dict[str, Any] = Field(default_factory=dict, description="a table")

    def settings(self, folder: Path) -> ExchangeSettings:
        """As the engine takes it; a relative file of keys lies in ``folder``."""
        kind, _, path = self.keys.partition(":")
        keys = f"{kind}:{folder / Path(path).expanduser()}" if path else kind
        return ExchangeSettings(
            id=self.id,
            market_type=self.market_type,
            sandbox=self.sandbox,
            keys=keys,
            ccxt=self.ccxt,
            dead_man_seconds=self.dead_man_seconds,
        )
