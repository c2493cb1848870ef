"""The acquisition graph of a run of the tests: which locks were taken under which, by whatever the tests made run.

Every process of a run checks what it saw; the session fails where an edge does not rise, and a run of the
whole suite also where an edge is missing that the engine's own roads must have drawn.
"""

from collections.abc import Iterable

import pytest

from engine.runtime.locks import RANK_JOURNAL, RANK_MANAGER, RANK_SLOT, LockEdge, lock_edges
from tests.sim.lock_audit import spans

NAMES = {RANK_MANAGER: "manager", RANK_SLOT: "slot", RANK_JOURNAL: "journal"}
ROADS = frozenset(
    (
        LockEdge(held=RANK_MANAGER, taken=RANK_SLOT, is_rising=True),
        LockEdge(held=RANK_SLOT, taken=RANK_SLOT, is_rising=True),
        LockEdge(held=RANK_SLOT, taken=RANK_JOURNAL, is_rising=True),
    )
)
"""What an engine draws: slots from the manager, slots in rising index, the commit under the slots. No journal
under the manager."""
OUTPUT = "lock_graph"
"""Where a worker leaves what it saw for the process that started it."""


def in_words(edge: LockEdge) -> str:
    """``manager -> slot``, with a note when it is the wrong way round."""
    return f"{NAMES[edge.held]} -> {NAMES[edge.taken]}{'' if edge.is_rising else ', which does not rise'}"


def seen_here() -> tuple[list[tuple[int, int, bool]], list[str]]:
    """The edges of this process and the exchange calls that were made under a lock, as plain values."""
    return [(edge.held, edge.taken, edge.is_rising) for edge in lock_edges()], list(spans)


def problems(edges: Iterable[LockEdge], spanned: Iterable[str], *, roads: frozenset[LockEdge]) -> list[str]:
    """What is wrong with a run that must have drawn ``roads``."""
    found = set(edges)
    return [
        *sorted(f"a lock was taken out of order: {in_words(edge)}" for edge in found if not edge.is_rising),
        *sorted(f"no test drew the edge {in_words(edge)}" for edge in roads - found),
        *sorted(set(spanned)),
    ]


def is_whole(config: pytest.Config) -> bool:
    """Whether everything was asked for that is asked for by default."""
    options = config.option
    narrowed = options.keyword or options.collectonly or options.deselect or getattr(options, "lf", False)
    return (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and not narrowed
        and options.markexpr in config.getini("addopts")
    )
