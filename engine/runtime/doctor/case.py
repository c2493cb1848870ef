"""What is examined, and how long each look may take."""

from dataclasses import dataclass

from engine.settings import Settings

REACH_SECONDS_MAX = 45.0
ASK_SECONDS_MAX = 20.0
STREAM_SECONDS = 15.0
"""So long is waited for a price and a candle; after 20 s of quiet the newest trade is asked for, which is no stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``accepts_withdrawal``: the user insists on keys that may withdraw."""

    settings: Settings
    accepts_withdrawal: bool = False
    stream_seconds: float = STREAM_SECONDS
