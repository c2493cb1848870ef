"""How the command line names what is asked of the past: a market, the length of a candle, a moment."""

import argparse
import re

from engine.settings.words import interval_from_text, ms_from_time, time_from_text


def symbol(text: str) -> str:
    """The symbol of a market. Raises ``ArgumentTypeError``."""
    if not re.fullmatch(r"[^\s/:]{1,20}/[^\s/:]{1,20}(:[^\s/:]{1,20})?", text):
        raise argparse.ArgumentTypeError(f"expected BASE/QUOTE, such as BTC/USDT, found {text[:60]!r}")
    return text


def interval(text: str) -> int:
    """The milliseconds of a candle interval. Raises ``ArgumentTypeError``."""
    interval_ms = interval_from_text(text)
    if interval_ms is None:
        raise argparse.ArgumentTypeError(f"expected a length such as 1m, 15m, 4h or 1d, found {text[:40]!r}")
    return interval_ms


def moment(text: str) -> int:
    """UTC milliseconds of a date or time. Raises ``ArgumentTypeError``."""
    found = time_from_text(text)
    at_ms = None if found is None else ms_from_time(found)
    if at_ms is None:
        raise argparse.ArgumentTypeError(f"expected a date or a time in UTC, such as 2024-03-01, found {text[:40]!r}")
    return at_ms
