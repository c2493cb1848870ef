"""``python -m benchmarks [--profile] [NAME ...]``: measure, and print one table on stdout.

``filters`` measures the worth of filter and stops instead of speed: it has a table of its own and is run by name.
"""

import argparse
import cProfile
import os
import pstats
import sys
from collections.abc import Iterable
from importlib import import_module

from benchmarks.peers import peer_lines
from benchmarks.table import Row, heading_lines, machine_line, row_lines

NAMES = ("quiet_ticks", "durable_reports", "replay_year", "ladder_frame", "journal", "startup", "live_path")
TABLES = ("filters",)
_ALL = (*NAMES, *TABLES)
_PROFILE_LINES = 30


def main() -> int:
    """Run what the command line names, everything when it names nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(_ALL)}; none: all but the last")
    parser.add_argument("--profile", action="store_true", help="print where the time goes as well")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in _ALL]
    if unknown:
        parser.error(f"expected names out of {', '.join(_ALL)}, found {', '.join(unknown)}")
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    print(machine_line())
    names = options.names or NAMES
    for name in names:
        if name in TABLES:
            _print(import_module(f"benchmarks.{name}").lines())
    measured = [name for name in names if name in NAMES]
    if measured:
        _print(heading_lines())
    for name in measured:
        _run_profiled(name) if options.profile else _run(name)
    if "replay_year" in measured:
        _print(peer_lines())
    return 0


def _print(lines: Iterable[str]) -> None:
    """Each line as soon as it is known."""
    for line in lines:
        print(line, flush=True)


def _run(name: str) -> None:
    measure = import_module(f"benchmarks.{name}").measure
    _print(row_lines(name, measure()))


def _run_profiled(name: str) -> None:
    """Rates are those of the profiled run, several times too low; the shares are what counts."""
    measure = import_module(f"benchmarks.{name}").measure
    profile = cProfile.Profile()
    profile.enable()
    rows: list[Row] = list(measure())
    profile.disable()
    _print(row_lines(f"{name} (profiled)", rows))
    statistics = pstats.Stats(profile, stream=sys.stdout)
    statistics.strip_dirs().sort_stats("tottime").print_stats(_PROFILE_LINES)


if __name__ == "__main__":
    sys.exit(main())
