"""What the reconciler has found before: nothing is acted on that was not found twice alike."""

from collections.abc import Mapping

from engine.core.books import Question
from engine.model.reconcile import Discrepancy, DiscrepancyKind

_Key = tuple[str, DiscrepancyKind, int | None, str]
_EXPLAINS_HOLDING = frozenset(DiscrepancyKind) - {
    DiscrepancyKind.VANISHED_ORDER,
    DiscrepancyKind.HOLDING_SHORT,
    DiscrepancyKind.HOLDING_OVER,
    DiscrepancyKind.LATTICE_MISMATCH,
    DiscrepancyKind.FOREIGN_ORDER,
}


class Findings:
    """The findings of the pass before and of the pass under way."""

    def __init__(self) -> None:
        self._before: dict[_Key, object] = {}
        self._now: dict[_Key, object] = {}

    def begin_pass(self) -> None:
        """From now on a new pass is under way."""
        self._before, self._now = self._now, {}

    def is_confirmed(self, grid: str, found: Discrepancy) -> bool:
        """Note a finding, and say whether the pass before had it just the same."""
        key, print_ = _key(grid, found), _fingerprint(found)
        self._now[key] = print_
        return self._before.get(key) == print_

    def is_asked(self, questions: Mapping[str, Question], grid: str, found: Discrepancy) -> bool:
        """Note a finding, and say whether an open question is about it already."""
        key = _key(grid, found)
        if not any(_key(grid, question.found.discrepancy) == key for question in questions.values()):
            return False
        self._now[key] = _fingerprint(found)
        return True

    def was_found(self, grid: str, found: Discrepancy) -> bool:
        """Whether the pass under way has found this, whatever its figures are now."""
        return _key(grid, found) in self._now

    def has_order_of(self, grid: str) -> bool:
        """Whether the pass under way has found an order of this grid that the holding may still wait for."""
        return any(name == grid and kind in _EXPLAINS_HOLDING for name, kind, _, _ in self._now)


def _key(grid: str, found: Discrepancy) -> _Key:
    return grid, found.kind, found.slot, found.client_order_id


def _fingerprint(found: Discrepancy) -> object:
    report = found.report
    told = None if report is None else (report.status, report.filled)
    return told, found.quantity, found.market
