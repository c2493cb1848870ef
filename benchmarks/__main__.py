"""``python -m benchmarks [--profile] [NAME ...]``: measure, and print one table on stdout."""

import argparse
import cProfile
import os
import pstats
import sys
from importlib import import_module

from benchmarks.peers import peer_lines
from benchmarks.table import Row, heading_lines, machine_line, row_lines

NAMES = ("quiet_ticks", "durable_reports", "replay_year", "ladder_frame", "journal", "startup")
TABLES = ("filters",)
"""Those with a table of their own; run by name alone."""
_PROFILE_LINES = 30


def main() -> int:
    """Run what the command line names, everything when it names nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; none: all")
    parser.add_argument("--profile", action="store_true", help="print where the time goes as well")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"expected names out of {', '.join(NAMES)}, found {', '.join(unknown)}")
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    print(machine_line())
    for line in heading_lines():
        print(line)
    names = options.names or NAMES
    for name in names:
        _run_profiled(name) if options.profile else _run(name)
    if "replay_year" in names:
        for line in peer_lines():
            print(line)
    return 0


def _run(name: str) -> None:
    measure = import_module(f"benchmarks.{name}").measure
    for line in row_lines(name, measure()):
        print(line, flush=True)


def _run_profiled(name: str) -> None:
    """Rates are those of the profiled run, several times too low; the shares are what counts."""
    measure = import_module(f"benchmarks.{name}").measure
    profile = cProfile.Profile()
    profile.enable()
    rows: list[Row] = list(measure())
    profile.disable()
    for line in row_lines(f"{name} (profiled)", rows):
        print(line)
    statistics = pstats.Stats(profile, stream=sys.stdout)
    statistics.strip_dirs().sort_stats("tottime").print_stats(_PROFILE_LINES)


if __name__ == "__main__":
    sys.exit(main())
