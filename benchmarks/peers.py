"""What other systems reach on a grid of 100 levels: published figures, not measured in this run."""

from collections.abc import Iterator

SOURCE = (
    "reference/performance.md, 'The same grid on every system': 100 geometric levels, +-20 %, 0.1 % fee, "
    "synthetic one-minute candles; two cores, Python 3.11, medians"
)
PEERS = (
    ("freqtrade 2026.9", "136-381"),
    ("OctoBot 2.0.15", "921"),
    ("backtrader 1.9.78", "920"),
    ("backtesting.py 0.6.6", "3,162"),
    ("jordantete/grid_trading_bot 0.2", "3,937"),
    ("jesse 3.5.3", "5,700-12,200"),
    ("nautilus_trader 1.221", "12,900"),
    ("hummingbot 2.16 GridExecutorSimulator", "25,400"),
    ("bare Python objects, engine and simulator", "1,450,000"),
    ("vectorbt 1.2.0, compiled order function", "2,200,000"),
    ("NumPy level crossings", "7,000,000-8,000,000"),
)


def peer_lines() -> Iterator[str]:
    """The figures as text, with their source."""
    yield ""
    yield "published, candles/s"
    for name, rate in PEERS:
        yield f"  {name:<50} {rate:>20}"
    yield f"  source: {SOURCE}"
