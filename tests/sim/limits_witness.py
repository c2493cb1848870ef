"""An exchange with a witness at its door, who knows nothing of the engine's risk gate.

He writes down what the engine was told, by the stream and by answers, and every order that it lets go
of, at the moment at which it does. What contradicts the disk at that very moment he says at once;
what needs the grid as it was when the order was decided on is left to ``limits_truths``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from engine.exchange.port import ExchangeListener
from engine.model.events import BlocksChanged, RegimeChanged
from engine.model.ids import key_from_client_order_id
from engine.model.order import Leg, OrderReport, OrderRequest, Side
from engine.model.regime import Candle, EntryRule
from engine.model.risk import Block
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation, Position
from tests.sim.engine_builders import IDENTITY
from tests.sim.sim_journal import Batch, SimDisk
from tests.sim.sim_world import SwornExchange, is_ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A price that the engine heard at ``heard_ms``, of a trade at ``at_ms``."""

    heard_ms: int
    price: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order that the engine let go of for the first time."""

    at_ms: int
    request: OrderRequest


class WatchedDisk(SimDisk):
    """A disk that knows when each record became safe, and what its newest records say of blocks and regime."""

    def __init__(self, witness: "LimitWitness") -> None:
        super().__init__(IDENTITY)
        self.safe_ms: dict[int, int] = {}
        self.blocks: tuple[Block, ...] = ()
        self.regime: RegimeChanged | None = None
        self._witness = witness

    def keep(self, batch: Batch) -> None:
        super().keep(batch)
        for records in batch:
            for record in records:
                self.safe_ms[record.sequence] = self._witness.now_ms()
                fact = record.fact
                if isinstance(fact, BlocksChanged):
                    self.blocks = fact.blocks
                elif isinstance(fact, RegimeChanged):
                    self.regime = fact


class _Ear:
    """The engine's ear, and the witness's."""

    def __init__(self, listener: ExchangeListener, witness: "LimitWitness") -> None:
        self._listener = listener
        self._witness = witness

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        self._witness.told.append(Told(heard_ms=self._witness.now_ms(), price=price, at_ms=at_ms))
        self._listener.on_price(symbol, price, at_ms)

    def on_report(self, report: OrderReport) -> None:
        self._listener.on_report(report)

    def on_connection(self, connection: Connection) -> None:
        self._listener.on_connection(connection)

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:
        if is_closed:
            self._witness.candles.append((self._witness.now_ms(), candle.open_ms))
        self._listener.on_candle(symbol, interval_ms, candle, is_closed)

    def on_funding(self, payment: FundingPayment) -> None:
        self._listener.on_funding(payment)

    def on_liquidation(self, liquidation: Liquidation) -> None:
        self._listener.on_liquidation(liquidation)

    def on_notice(self, text: str, level: EventLevel) -> None:
        self._listener.on_notice(text, level)


class LimitWitness(SwornExchange):
    """The sworn exchange; what every life was told begins anew at ``lives``."""

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        self.disk: WatchedDisk = WatchedDisk(self)
        self.lives: list[int] = []
        """When each engine began to listen."""
        self.told: list[Told] = []
        self.candles: list[tuple[int, int]] = []
        """When the engine heard of a closed candle, and when that began."""
        self.positions: list[tuple[int, Position | None]] = []
        """When the engine was answered, and what."""
        self.sent: dict[str, Sent] = {}
        """In the order of their sending."""
        self.payments: dict[str, FundingPayment] = {}

    def now_ms(self) -> int:
        """The time of the world."""
        return self._now_ms()

    async def run(self, listener: ExchangeListener, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        self.lives.append(self.now_ms())
        await super().run(_Ear(listener, self), task_status=task_status)

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        candles = await super().fetch_candles(symbol, interval_ms, limit)
        self.candles += [(self.now_ms(), candle.open_ms) for candle in candles]
        return candles

    async def fetch_positions(self) -> dict[str, Position]:
        positions = await super().fetch_positions()
        self.positions.append((self.now_ms(), next(iter(positions.values()), None)))
        return positions

    async def place(self, request: OrderRequest) -> OrderReport:
        if not self.is_severed and is_ours(request.client_order_id):
            self.sent.setdefault(request.client_order_id, Sent(at_ms=self.now_ms(), request=request))
            self._look_at_door(request)
        return await super().place(request)

    def _look_at_door(self, request: OrderRequest) -> None:
        """What was in force and safe on the disk binds every sending, the first and the last: an order that
        waited is not sent on the strength of what was true before."""
        key = key_from_client_order_id(request.client_order_id)
        if key is None or key.leg is not Leg.ENTRY:
            return
        name, disk = request.client_order_id, self.disk
        if disk.blocks:
            kinds = ", ".join(block.kind for block in disk.blocks)
            self.broken.append(f"gate: {name} was sent while openings are blocked: {kinds}")
        rule = rule_of(disk.regime, request.side)
        if not opens(rule, key.slot):
            self.broken.append(f"gate: {name} was sent while the regime lets {rule} of the {request.side} entries open")


def rule_of(regime: RegimeChanged | None, side: Side) -> EntryRule:
    """What a regime lets through of the entries of a side."""
    if regime is None:
        return EntryRule.ALL
    return regime.long_entries if side is Side.BUY else regime.short_entries


def opens(rule: EntryRule, slot: int) -> bool:
    """Whether a slot may open under a rule; every second one has an even identity."""
    return rule is EntryRule.ALL or (rule is EntryRule.ALTERNATE and slot % 2 == 0)
