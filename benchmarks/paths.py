"""The year of candles that is replayed: recorded BTC/USDT of 2020 if it is there, else a made-up one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

RECORDED = Path(__file__).resolve().parents[2] / "shared/data/candles/binance_spot_BTCUSDT_1m_2020.parquet"
"""Beside the project; not part of it."""
CENTS = 100
_MADE_CANDLES = 366 * 24 * 60
_START_MS = 1_577_836_800_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Path4:
    """Candles as they are walked: four prices in cents for each, in order."""

    file: Path
    points: "Integers"

    @property
    def candles(self) -> int:
        """How many there are."""
        return len(self.points) // 4

    @property
    def first(self) -> float:
        """The first price."""
        return float(self.points[0]) / CENTS

    def levels(self, lower: float, upper: float, slots: int) -> "Integers":
        """The geometric levels of a grid, in cents."""
        import numpy as np

        return np.rint(np.geomspace(lower * CENTS, upper * CENTS, slots + 1)).astype(np.int64)

    def head(self, candles: int, folder: Path) -> Path:
        """The first candles in a file of their own."""
        import pyarrow.parquet as parquet

        short = folder / "head.parquet"
        parquet.write_table(parquet.read_table(self.file).slice(0, candles), short)
        return short


def year_file(folder: Path) -> Path:
    """The recorded year, or a made-up one in ``folder``."""
    return RECORDED if RECORDED.exists() else _make_year(folder / "year.parquet")


def read_path(file: Path) -> Path4:
    """The prices of a file of candles, open-low-high-close when it closes at or above its open."""
    import numpy as np
    import pyarrow.parquet as parquet

    columns = parquet.read_table(file, columns=["open", "high", "low", "close"])
    opened, high, low, close = (
        np.rint(columns.column(name).to_numpy() * CENTS).astype(np.int64) for name in columns.column_names
    )
    is_up = close >= opened
    walked = (opened, np.where(is_up, low, high), np.where(is_up, high, low), close)
    return Path4(file=file, points=np.stack(walked, axis=1).reshape(-1))


def _make_year(file: Path) -> Path:
    """A seeded random walk over a year of minutes that ends where it began, about a third around it."""
    import numpy as np
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    dice = np.random.default_rng(7)
    steps = dice.normal(0, 0.0005, _MADE_CANDLES * 4)
    walk = np.cumsum(steps)
    walk -= np.linspace(0, walk[-1], len(walk))
    prices = np.round(7200 * np.exp(walk * 0.5), 2).reshape(-1, 4)
    columns = {
        "ts_ms": _START_MS + 60_000 * np.arange(_MADE_CANDLES, dtype=np.int64),
        "open": prices[:, 0],
        "high": prices.max(axis=1),
        "low": prices.min(axis=1),
        "close": prices[:, 3],
        "volume": np.ones(_MADE_CANDLES),
    }
    parquet.write_table(arrow.table(columns), file)
    return file
