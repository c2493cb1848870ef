"""The fold of a migration refuses what no plan may ever say."""

from dataclasses import replace

import pytest

from engine.core.migrating import migrated_slots
from engine.core.migration import MigrationPlan
from engine.core.trailing import shift
from engine.model.errors import InvariantBroken
from engine.model.events import LatticeMigrated
from engine.model.grid import Trailing
from engine.model.order import Side
from engine.model.slot import Empty, order_of
from tests.builders import a_spec
from tests.core.migration_builders import a_grid, decimals, entering, exiting, slot_of


def a_shift() -> LatticeMigrated:
    """The lattice follows by one level: slot 0 goes from below to above all others."""
    plan = shift(a_grid(a_spec(trailing=Trailing(up_to=decimals(300)[0]))), decimals(210)[0])
    assert isinstance(plan, MigrationPlan)
    return plan.fact


@pytest.mark.parametrize("becomes", [entering, exiting])
def test_a_slot_with_an_order_cannot_have_other_levels(becomes: type) -> None:
    grid = a_grid()
    slots = [becomes(slot_of(grid, 0)), *grid.slots[1:]]
    with pytest.raises(InvariantBroken) as broken:
        migrated_slots(slots, a_shift())
    assert str(broken.value) == "slot 0 cannot have other levels: its order still rests at these"


def test_a_slot_with_an_order_cannot_have_another_side() -> None:
    grid, fact = a_grid(), a_shift()
    sides = (Side.SELL, *[Side.BUY] * 9)
    same = replace(fact.lattice, levels=grid.lattice.levels, ids=(), sides=sides)
    slots = [entering(slot_of(grid, 0)), *grid.slots[1:]]
    with pytest.raises(InvariantBroken):
        migrated_slots(slots, replace(fact, lattice=same))


def test_a_slot_that_stays_keeps_its_order_though_its_amount_is_another_one() -> None:
    grid, fact = a_grid(), a_shift()
    slots = [grid.slots[0], entering(slot_of(grid, 1)), *grid.slots[2:]]
    amounts = (*decimals(7), *fact.lattice.amounts[1:])
    after = migrated_slots(slots, replace(fact, lattice=replace(fact.lattice, amounts=amounts)))
    assert after[1].amount == 7
    assert order_of(after[1]) == order_of(slots[1])
    assert (after[0].lower, after[0].upper) == decimals(200, 210)
    assert after[0].state == Empty()
