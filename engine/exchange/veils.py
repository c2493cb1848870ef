"""Executions that the simulated exchange has made and does not show yet, in any of its answers.

A real exchange answers from several machines: one may cancel an order and say so while another has just executed
it, which is told some time after. Balances are the account's own and are always true.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.model.order import OrderReport, OrderStatus, OwnFill


@dataclass(frozen=True, slots=True, kw_only=True)
class _Veil:
    trade_id: str
    until_ms: int


class Veils:
    """At most one for an order, over its last execution."""

    def __init__(self) -> None:
        self._veils: dict[str, _Veil] = {}

    def hide(self, client_order_id: str, trade_id: str, *, until_ms: int) -> None:
        """Show this execution of an order only from ``until_ms`` on."""
        self._veils[client_order_id] = _Veil(trade_id=trade_id, until_ms=until_ms)

    def shown_order(self, report: OrderReport, at_ms: int) -> OrderReport:
        """An order as it is shown at a time: as canceled without what is hidden."""
        trade_id = self._hidden(report.client_order_id, at_ms)
        hidden = [fill for fill in report.fills if fill.trade_id == trade_id]
        if not hidden:
            return report
        return replace(
            report,
            status=OrderStatus.CANCELED,
            filled=report.filled - hidden[0].amount,
            fills=tuple(fill for fill in report.fills if fill.trade_id != trade_id),
        )

    def shown_fills(self, fills: Sequence[OwnFill], at_ms: int) -> tuple[OwnFill, ...]:
        """The executions that are shown at a time."""
        return tuple(own for own in fills if own.fill.trade_id != self._hidden(own.client_order_id, at_ms))

    def _hidden(self, client_order_id: str, at_ms: int) -> str | None:
        veil = self._veils.get(client_order_id)
        return None if veil is None or at_ms >= veil.until_ms else veil.trade_id
