"""The states of the engine as glyph, word and tone; a meaning never rests on colour alone."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from engine.model.grid import GridState
from engine.model.money import ZERO
from engine.model.order import OrderStatus, Side
from engine.model.snapshot import Connection, EngineSnapshot, EngineState, EventLevel, Mode, SlotStateName
from tui.present.pieces import Piece, Tone


class Sign(NamedTuple):
    """A state as it is shown."""

    glyph: str
    word: str
    tone: Tone

    def piece(self) -> Piece:
        """Glyph and word in their tone."""
        return Piece(f"{self.glyph} {self.word}", self.tone)


ARROWS = {-1: "▼", 0: " ", 1: "▲"}
FROZEN = Sign("‖", "frozen", Tone.WARN)
ASKED = Sign("?", "asked", Tone.WARN)

SLOT_SIGNS = {
    SlotStateName.EMPTY: Sign("·", "empty", Tone.FAINT),
    SlotStateName.ENTERING: Sign("○", "entering", Tone.DIM),
    SlotStateName.HOLDING: Sign("●", "holding", Tone.HOLD),
    SlotStateName.EXITING: Sign("◆", "exiting", Tone.HOLD),
}
GRID_SIGNS = {
    GridState.STARTING: Sign("◌", "starting", Tone.DIM),
    GridState.RUNNING: Sign("●", "running", Tone.GAIN),
    GridState.PAUSED: Sign("‖", "paused", Tone.WARN),
    GridState.EXITS_ONLY: Sign("▽", "exits only", Tone.WARN),
    GridState.HALTED: Sign("■", "halted", Tone.ALARM),
    GridState.STOPPING: Sign("▿", "stopping", Tone.WARN),
    GridState.STOPPED: Sign("□", "stopped", Tone.DIM),
}
ENGINE_SIGNS = {
    EngineState.STARTING: Sign("◌", "starting", Tone.WARN),
    EngineState.RUNNING: Sign("●", "running", Tone.GAIN),
    EngineState.HALTED: Sign("■", "halted", Tone.ALARM),
    EngineState.STOPPED: Sign("□", "stopped", Tone.WARN),
}
CONNECTION_SIGNS = {
    Connection.CONNECTING: Sign("◌", "connecting", Tone.WARN),
    Connection.CONNECTED: Sign("●", "connected", Tone.GAIN),
    Connection.DISCONNECTED: Sign("○", "disconnected", Tone.LOSS),
    Connection.ENDED: Sign("■", "data ended", Tone.DIM),
}
LEVEL_SIGNS = {
    EventLevel.INFO: Sign(" ", "info", Tone.TEXT),
    EventLevel.WARNING: Sign("!", "warning", Tone.WARN),
    EventLevel.ERROR: Sign("×", "error", Tone.LOSS),
}


class Stage(StrEnum):
    """What is at stake: how far a grid is from real money."""

    SIMULATION = "simulation"
    PAPER = "paper"
    SANDBOX = "sandbox"
    LIVE = "live"


STAGE_BANNERS = {
    Stage.SIMULATION: Piece(" SIMULATION ", Tone.SIMULATION),
    Stage.PAPER: Piece(" ◇ PAPER ◇ ", Tone.PAPER),
    Stage.SANDBOX: Piece(" ◈ SANDBOX ◈ ", Tone.SANDBOX),
    Stage.LIVE: Piece(" ▲ LIVE ▲ ", Tone.LIVE),
}
ORDER_WORDS = {
    OrderStatus.INTENT: "intent",
    OrderStatus.SENT: "sent",
    OrderStatus.UNKNOWN: "unknown",
    OrderStatus.OPEN: "open",
    OrderStatus.PARTIALLY_FILLED: "part filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.REJECTED: "rejected",
    OrderStatus.EXPIRED: "expired",
}
SIDE_TONES = {Side.BUY: Tone.BUY, Side.SELL: Tone.SELL}

SPEEDS = (1.0, 10.0, 60.0, 300.0, 1000.0, 3600.0)
"""Market seconds per wall second that the keys step through; above the last one is 0, as fast as possible."""


def stage_of(engine: EngineSnapshot | None) -> Stage:
    """The stage of an engine; of one that is not known yet, the one on which to be most careful."""
    return Stage.LIVE if engine is None else stage_of_mode(engine.mode, is_sandbox=engine.is_sandbox)


def stage_of_mode(mode: Mode, *, is_sandbox: bool) -> Stage:
    """The stage of a mode."""
    match mode:
        case Mode.SIMULATION:
            return Stage.SIMULATION
        case Mode.PAPER:
            return Stage.PAPER
        case Mode.LIVE:
            return Stage.SANDBOX if is_sandbox else Stage.LIVE


def result_tone(value: Decimal) -> Tone:
    """Gain, loss, or quiet at zero; the sign of the number says the same."""
    if value == ZERO:
        return Tone.DIM
    return Tone.GAIN if value > ZERO else Tone.LOSS


def speed_word(speed: float | None) -> str:
    """``x60``, ``max``, or ``real time`` where time cannot be driven."""
    if speed is None:
        return "real time"
    return "max" if speed <= 0 else f"x{speed:,.10g}"


def faster(speed: float) -> float:
    """The next step above ``speed``; 0 (as fast as possible) is the last."""
    if speed <= 0:
        return 0.0
    return next((step for step in SPEEDS if step > speed), 0.0)


def slower(speed: float) -> float:
    """The next step below ``speed``; the lowest step stays."""
    if speed <= 0:
        return SPEEDS[-1]
    return next((step for step in reversed(SPEEDS) if step < speed), SPEEDS[0])
