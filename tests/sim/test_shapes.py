"""Every shape of grid, on random bounded paths, through the real engine and the simulated exchange."""

from decimal import Decimal

import anyio
import pytest
from hypothesis import HealthCheck, given, reject, settings

from engine.exchange.matching_options import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Stop
from engine.model.errors import SettingsInvalid
from engine.model.events import OrderReported
from engine.model.grid import Disposal, GridState, MarginMode, SizedBy
from engine.model.order import OrderStatus
from engine.runtime.engine import Engine
from tests.builders import a_spec
from tests.core.shape_builders import a_swap
from tests.sim.engine_builders import Bench, a_path, assert_settled, until_quiet
from tests.sim.shape_truths import ShapeExchange, assert_history, assert_true
from tests.sim.shapes_draw import Shape, shapes

_EXAMPLES = 150
_HUNT_EXAMPLES = 4_000
_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def live_through(shape: Shape) -> None:
    """The whole life of a grid, judged when it is over; a shape that is refused at start is no example."""
    try:
        balances = shape.balances
    except SettingsInvalid:
        reject()
    bench = Bench(
        a_path(*shape.prices, symbol=shape.spec.symbol),
        grids=[shape.spec],
        markets=[shape.market],
        balances=balances,
        options=SimulatedOptions(matching=shape.matching),
        exchange_type=ShapeExchange,
    )
    paid_in = bench.exchange.matching.totals()

    async def script(engine: Engine) -> None:
        if shape.ends_by is not None:
            await anyio.sleep(len(shape.prices) * 40)
            grid = engine.coordinators["main"]
            if grid.books.state in (GridState.RUNNING, GridState.EXITS_ONLY):
                await engine.command(Stop(grid="main", disposal=shape.ends_by), by="test")
        await until_quiet(engine)

    try:
        engine = bench.run(script)
    except SettingsInvalid:
        reject()
    assert bench.exchange.matching.totals() == paid_in
    assert_true(bench, engine, shape)
    assert_history(bench)
    assert_settled(engine)
    if shape.is_tight and shape.ends_by is not Disposal.FLATTEN:
        refused = [fact.report for fact in bench.facts(OrderReported) if fact.report.status is OrderStatus.REJECTED]
        assert refused == []


@settings(max_examples=_EXAMPLES, suppress_health_check=_SLOW)
@given(shapes())
def test_every_shape_conserves_every_unit_on_any_path(shape: Shape) -> None:
    live_through(shape)


def test_a_position_that_the_row_which_opened_it_liquidates_is_booked() -> None:
    """Its liquidation is told together with its first fill."""
    spec = a_spec(
        symbol="BTC/USDT:USDT",
        slots=1,
        sized_by=SizedBy.QUOTE_PER_SLOT,
        size=Decimal(80),
        window=1,
        leverage=Decimal(20),
        margin=MarginMode.ISOLATED,
    )
    shape = Shape(
        spec=spec,
        market=a_swap(symbol="BTC/USDT:USDT"),
        prices=tuple(map(Decimal, ("120", "120", "110.47", "90.47"))),
        matching=MatchingOptions(),
        ends_by=None,
        is_tight=False,
    )
    live_through(shape)


@pytest.mark.hunt
@settings(max_examples=_HUNT_EXAMPLES, suppress_health_check=_SLOW, derandomize=False)
@given(shapes())
def test_every_shape_conserves_every_unit_on_many_more_paths(shape: Shape) -> None:
    live_through(shape)
