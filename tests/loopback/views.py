"""The venue as a faulty list or lookup tells it: old, incomplete, or empty. The venue itself stays right."""

from collections.abc import Callable

from tests.loopback.faults import Fault, Faults
from tests.loopback.venue import (
    Refusal,
    RefusalReason,
    Venue,
    VenueBalance,
    VenueFill,
    VenueOrder,
)


class Books:
    """What one request gets to see. Reads only."""

    def __init__(self, venue: Venue, faults: Faults, fault: Fault | None) -> None:
        """``fault`` is one of ``LIST_FAULTS``, or None for the truth."""
        self._venue = venue
        self._faults = faults
        self._fault = fault

    def open_orders(self, market_id: str | None = None) -> list[VenueOrder]:
        """Open orders, oldest first."""
        return [order for order in self.orders(market_id) if order.is_open]

    def orders(self, market_id: str | None = None) -> list[VenueOrder]:
        """All orders, oldest first."""
        if self._fault is None or self._fault is Fault.EMPTY_BALANCES:
            return self._venue.orders(market_id)
        seen = (self._seen(order) for order in self._venue.orders(market_id))
        return [order for order in seen if order is not None]

    def order(self, market_id: str, *, order_id: int | None = None, client_id: str | None = None) -> VenueOrder:
        """One order. Raises ``Refusal`` where it is not to be seen."""
        seen = self._seen(self._venue.order(market_id, order_id=order_id, client_id=client_id))
        if seen is None:
            raise Refusal(RefusalReason.UNKNOWN_ORDER, "Order does not exist.")
        return seen

    def trades(
        self,
        market_id: str | None = None,
        *,
        since_ms: int | None = None,
        order_id: int | None = None,
        after_id: int | None = None,
    ) -> list[VenueFill]:
        """Own executions, oldest first."""
        fills = self._venue.trades(market_id, since_ms=since_ms, order_id=order_id, after_id=after_id)
        if self._fault is Fault.HIDDEN_ORDERS:
            return [fill for fill in fills if fill.at_ms <= self._venue.now_ms() - self._faults.hide_ms]
        return fills

    def balances(self) -> dict[str, VenueBalance]:
        """Free and locked by currency."""
        return {} if self._fault is Fault.EMPTY_BALANCES else self._venue.balances()

    def _seen(self, order: VenueOrder) -> VenueOrder | None:
        if self._fault is Fault.STALE_LIST:
            return self._venue.register.as_of(order.order_id, self._venue.now_ms() - self._faults.lag_ms)
        if self._fault is Fault.HIDDEN_ORDERS:
            is_young = order.created_ms > self._venue.now_ms() - self._faults.hide_ms
            return None if is_young else order
        return order


def without(body: object, fields: frozenset[str]) -> object:
    """A JSON value without these fields, at any depth."""
    return _mapped(body, lambda node: {key: value for key, value in node.items() if key not in fields})


def with_hostile(body: object, faults: Faults) -> object:
    """A JSON value in which every object has an unknown hostile field, and reasons are hostile too."""

    def spoil(node: dict[str, object]) -> dict[str, object]:
        spoilt = dict(node)
        for key in ("msg", "retMsg"):
            if isinstance(text := spoilt.get(key), str) and spoilt.get("code", spoilt.get("retCode")) not in (None, 0):
                spoilt[key] = f"{text} {faults.hostile()}"
        return {**spoilt, "remark": faults.hostile(), faults.hostile(): None}

    return _mapped(body, spoil)


def _mapped(body: object, change: Callable[[dict[str, object]], dict[str, object]]) -> object:
    if isinstance(body, dict):
        return change({key: _mapped(value, change) for key, value in body.items()})
    if isinstance(body, list):
        return [_mapped(each, change) for each in body]
    return body
