"""The rows of the one table, and how it is drawn."""

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path


class Unit(StrEnum):
    """What a value counts, and with it which way is better."""

    PER_SECOND = "/s"
    """More is better."""
    MILLISECONDS = "ms"
    """Less is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. ``yardstick`` is measured in the same run and in the same unit, and named by ``against``.

    Only what the project has set itself has a ``target``; a row without a yardstick may be one itself.
    """

    what: str
    value: float
    unit: Unit = Unit.PER_SECOND
    yardstick: float | None = None
    against: str = ""
    target: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value through yardstick."""
        return None if self.yardstick is None else self.value / self.yardstick

    @property
    def verdict(self) -> str:
        """How the target was met, as a word for the table."""
        if self.target is None:
            return ""
        match self.unit:
            case Unit.PER_SECOND:
                return "met" if self.value >= self.target else "missed"
            case Unit.MILLISECONDS:
                return "met" if self.value < self.target else "missed"


_HEADINGS = ("what", "value", "", "ratio", "to", "target", "")
_LAYOUT = "{:<54} {:>12} {:<2} {:>8}  {:<26} {:>9} {:<6}"


def heading_lines() -> Iterator[str]:
    """What stands above the rows."""
    line = _LAYOUT.format(*_HEADINGS).rstrip()
    yield line
    yield "-" * len(_LAYOUT.format(*_HEADINGS))


def row_lines(benchmark: str, rows: Iterable[Row]) -> Iterator[str]:
    """The rows of one benchmark, each as soon as it is measured, under its name."""
    yield benchmark
    for row in rows:
        yield _LAYOUT.format(
            f"  {row.what}",
            _number(row.value, row.unit),
            row.unit,
            "" if row.ratio is None else f"{row.ratio:.3g}",
            row.against,
            "" if row.target is None else _number(row.target, row.unit),
            row.verdict,
        ).rstrip()


def machine_line() -> str:
    """On what it was measured."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("anyio", "apsw", "numpy", "textual"))
    return f"{_processor()}, {cores} cores{load}, {sys.platform}, {python}, {packages}"


def _number(value: float, unit: Unit) -> str:
    match unit:
        case Unit.PER_SECOND:
            return f"{value:,.0f}"
        case Unit.MILLISECONDS:
            return f"{value:,.3f}" if value < 10 else f"{value:,.1f}"


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
