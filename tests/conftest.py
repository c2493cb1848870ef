"""What every test runs under: one event loop library, and Hypothesis profiles that differ only in effort.

``GRIDWRIGHT_HYPOTHESIS`` chooses the profile: ``dev`` is quick, ``gate`` always tries the same
examples, ``hunt`` looks for what nobody has thought of. When all is done, the graph of the locks that were
taken is looked at (``tests/house/lock_graph.py``), and all files that the tests wrote are searched for the
planted keys (``tests/canary.py``).
"""

import os
from collections import Counter
from decimal import DefaultContext, setcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from engine.runtime.locks import LockEdge
from tests import canary
from tests.house import lock_graph

COUNTED = ("crash points", "swarm seeds", "kills")
"""Figures that tests record and that add up over a run."""
_EDGES = pytest.StashKey[set[LockEdge]]()
_SPANS = pytest.StashKey[list[str]]()
_PROBLEMS = pytest.StashKey[list[str]]()
_LEAKS = pytest.StashKey[list[str]]()

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("gate", max_examples=300, deadline=None, derandomize=True)
settings.register_profile("hunt", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("GRIDWRIGHT_HYPOTHESIS", "gate"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The engine and Textual run on asyncio, so the tests do."""
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """What the workers of a run will have seen is collected here."""
    config.stash[_EDGES], config.stash[_SPANS] = set(), []


def pytest_runtest_setup() -> None:
    """A test that uses ccxt itself leaves its rounding behind; the next one begins with Python's own."""
    setcontext(DefaultContext.copy())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended; one that crashed leaves nothing, and fails the session by itself."""
    edges, spans = getattr(node, "workeroutput", {}).get(lock_graph.OUTPUT, ((), ()))
    node.config.stash[_EDGES] |= {LockEdge(held=held, taken=taken, is_rising=rises) for held, taken, rises in edges}
    node.config.stash[_SPANS] += spans


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the session for what was wrong with its locks or was leaked; a worker only tells what it saw."""
    config = session.config
    edges, spans = lock_graph.seen_here()
    if hasattr(config, "workeroutput"):
        config.workeroutput[lock_graph.OUTPUT] = (edges, spans)
        return
    seen = config.stash[_EDGES] | {LockEdge(held=held, taken=taken, is_rising=rises) for held, taken, rises in edges}
    is_complete = exitstatus == pytest.ExitCode.OK and lock_graph.is_whole(config)
    roads = lock_graph.ROADS if is_complete else frozenset()
    found = lock_graph.problems(seen, [*config.stash[_SPANS], *spans], roads=roads)
    config.stash[_PROBLEMS] = found
    # The folder of a run has those of its workers in it.
    written: Path = vars(config)["_tmp_path_factory"].getbasetemp()
    leaks = config.stash[_LEAKS] = list(canary.fragments_in(written))
    if (found or leaks) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the tests measured, which a worker cannot print, and what failed the session beside its tests."""
    totals: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        totals.update({name: figure for name, figure in report.user_properties if name in COUNTED})
    for name, figure in sorted(totals.items()):
        terminalreporter.line(f"{figure:,} {name}")
    found = config.stash.get(_PROBLEMS, [])
    if found:
        terminalreporter.section("lock graph", red=True)
        for problem in found:
            terminalreporter.line(problem)
    leaks = config.stash.get(_LEAKS, [])
    if leaks:
        terminalreporter.section("planted keys", red=True)
        for leak in leaks:
            terminalreporter.line(leak)
