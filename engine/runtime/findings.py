"""What the reconciler has found before: nothing is acted on that was not found twice alike."""

from collections.abc import Mapping

from engine.core.books import Question
from engine.core.reconcile import is_same, subject_of
from engine.model.reconcile import Discrepancy, DiscrepancyKind, Resolution

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
        self._recorded: dict[_Key, object] = {}
        self._asked: set[_Key] = set()

    def begin_pass(self) -> None:
        """From now on a new pass is under way."""
        self._before, self._now = self._now, {}
        self._asked.clear()
        self._recorded = {key: print_ for key, print_ in self._recorded.items() if key in self._before}

    def is_confirmed(self, grid: str, found: Discrepancy) -> bool:
        """Note a finding, and say whether the pass before had it just the same."""
        key, print_ = _key(grid, found), _fingerprint(found)
        self._now[key] = print_
        return self._before.get(key) == print_

    def question_about(self, questions: Mapping[str, Question], grid: str, found: Discrepancy) -> str | None:
        """Note a finding, and say which open question is about it as it is now; None: it is to be asked (again)."""
        for name, question in questions.items():
            asked = question.found.discrepancy
            if is_same(asked, found) and _fingerprint(asked) == _fingerprint(found):
                self._now[_key(grid, found)] = _fingerprint(found)
                self._asked.add(_key(grid, found))
                return name
        return None

    def is_new(self, grid: str, found: Discrepancy, way: Resolution) -> bool:
        """Whether a resolution that changes nothing is to be put on record; once, as long as the finding lasts."""
        key, print_ = _key(grid, found), (_fingerprint(found), way)
        is_new = self._recorded.get(key) != print_
        self._recorded[key] = print_
        return is_new

    def was_found(self, grid: str, found: Discrepancy) -> bool:
        """Whether the pass under way has found this, whatever its figures are now."""
        return _key(grid, found) in self._now

    def has_order_of(self, grid: str) -> bool:
        """Whether the pass under way has found an order of this grid, not in question, that the holding waits for."""
        found = self._now.keys() - self._asked
        return any(name == grid and kind in _EXPLAINS_HOLDING for name, kind, _, _ in found)


def _key(grid: str, found: Discrepancy) -> _Key:
    return grid, found.kind, found.slot, subject_of(found)


def _fingerprint(found: Discrepancy) -> object:
    if found.kind is DiscrepancyKind.SECOND_INSTANCE:
        return found.kind  # which of its orders is seen does not matter
    report = found.report
    told = None if report is None else (report.status, report.filled)
    return told, found.quantity, found.market
