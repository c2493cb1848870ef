"""What may be set aside: never the only record of orders that still rest on a real exchange."""

from collections.abc import Iterable
from pathlib import Path

from engine.model.errors import JournalFailed, SettingsInvalid
from engine.model.events import Fact, OrderIntended, OrderReleased, OrderReported
from engine.model.order import TERMINAL_STATUSES
from engine.model.snapshot import Mode
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.journal_store import read_records_above
from engine.settings import Settings


def check_abandoned(settings: Settings, folder: Path) -> None:
    """Orders that no journal knows any more go on trading, and keep the next engine from starting.

    Raises:
        SettingsInvalid: the journal in ``folder`` knows such orders, or cannot be read.
    """
    path = folder / JOURNAL_NAME
    if settings.engine.mode is not Mode.LIVE or not path.exists():
        return
    try:
        count = len(_open_orders(record.fact for record in read_records_above(path, 0)))
        found = f"{count} on {settings.exchange.id}"
    except JournalFailed:
        count, found = 1, "a journal that cannot be read"
    if count:
        raise SettingsInvalid(
            f"--fresh: expected no orders of the old journal, found {found}, which would go on trading with nobody to "
            "watch them: start without --fresh and end the grids with gridwright stop --cancel, or use another "
            "--state-dir"
        )


def is_unused(journal: Path) -> bool:
    """Whether no order was ever meant by this journal; False where it cannot be read."""
    try:
        records = read_records_above(journal, 0) if journal.exists() else iter(())
        return not any(isinstance(record.fact, OrderIntended) for record in records)
    except JournalFailed:
        return False


def _open_orders(facts: Iterable[Fact]) -> set[str]:
    """The client order ids that may still be on the exchange, as far as a journal knows."""
    ids: set[str] = set()
    for fact in facts:
        if isinstance(fact, OrderIntended):
            ids.add(fact.client_order_id)
        elif isinstance(fact, OrderReported) and fact.report.status in TERMINAL_STATUSES:
            ids.discard(fact.report.client_order_id)
        elif isinstance(fact, OrderReleased):
            ids.discard(fact.client_order_id)
    return ids
