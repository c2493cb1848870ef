"""How much each slot trades: profiles, slots of a size of their own, investments and their least."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.core.funds import funds_needed
from engine.core.lattice import make_lattice
from engine.core.sizing import least_investment, shares_of, slots_of
from engine.model.errors import SettingsInvalid
from engine.model.grid import Direction, GridSpec, InitialPurchase, SizedBy, SizeProfile, SlotSize, Spacing
from engine.model.market import FeeCurrency, Market
from engine.model.order import Side
from tests.builders import a_market, a_spec
from tests.core.shape_builders import a_swap

D = Decimal
PURCHASES = (InitialPurchase.LIMIT, InitialPurchase.MARKET, InitialPurchase.NONE)


@pytest.mark.parametrize(
    "profile, slots, shares",
    [
        (SizeProfile.FLAT, 3, "1 1 1"),
        (SizeProfile.PYRAMID, 3, "0.6 1.8 0.6"),
        (SizeProfile.PYRAMID, 5, "0.5555555556 1.1111111111 1.6666666667 1.1111111111 0.5555555556"),
        (SizeProfile.PYRAMID, 4, "0.6 1.4 1.4 0.6"),
        (SizeProfile.VALLEY, 3, "1.2857142857 0.4285714286 1.2857142857"),
        (SizeProfile.PYRAMID, 2, "1 1"),
        (SizeProfile.VALLEY, 1, "1"),
    ],
)
def test_a_profile_lies_around_the_mean(profile: SizeProfile, slots: int, shares: str) -> None:
    found = shares_of(profile, slots)
    assert [share.quantize(D("1E-10")) for share in found] == [D(share) for share in shares.split()]


@given(st.sampled_from(SizeProfile), st.integers(1, 200))
def test_a_profile_is_straight_symmetrical_and_three_times_as_much_at_its_most(
    profile: SizeProfile, slots: int
) -> None:
    shares = shares_of(profile, slots)
    assert abs(sum(shares, D(0)) - slots) < D("1E-20")
    assert shares == shares[::-1]
    steps = [after - before for before, after in pairwise(shares[: (slots + 1) // 2])]
    assert all(abs(step - steps[0]) < D("1E-20") for step in steps)
    if profile is not SizeProfile.FLAT and slots > 1 and slots % 2:
        assert abs(max(shares) - 3 * min(shares)) < D("1E-20")


def test_the_size_is_the_mean_of_the_slots_and_a_slot_of_its_own_size_keeps_it() -> None:
    spec = a_spec(slots=3, lower=D(100), upper=D(130), profile=SizeProfile.PYRAMID)
    assert make_lattice(spec, a_market(), D(115)).amounts == (D("0.6"), D("1.8"), D("0.6"))
    own = replace(spec, sizes=(SlotSize(slot=2, size=D("0.25")),))
    assert make_lattice(own, a_market(), D(115)).amounts == (D("0.6"), D("1.8"), D("0.25"))
    quote = replace(own, sized_by=SizedBy.QUOTE_PER_SLOT, size=D(100), sizes=(SlotSize(slot=1, size=D(55)),))
    assert make_lattice(quote, a_market(), D(115)).amounts == (D("0.6"), D("0.5"), D("0.5"))


def test_of_an_investment_the_slots_of_their_own_size_are_taken_first() -> None:
    """400 less 100 for slot 1 leaves 150 each for the slots at 100 and 150."""
    spec = a_spec(slots=3, lower=D(100), upper=D(175), sized_by=SizedBy.INVESTMENT, size=D(400),
                  sizes=(SlotSize(slot=1, size=D(100)),))  # fmt: skip
    assert make_lattice(spec, a_market(), D(175)).amounts == (D("1.5"), D("0.8"), D("1"))


def test_an_investment_on_a_swap_is_margin_less_the_worst_fees() -> None:
    """One slot from 100 to 110 at leverage 5: 100 a / 5 + 0.001 (100 + 110) a = 1000, so a = 49.48."""
    spec = a_spec(slots=1, upper=D(110), leverage=D(5), sized_by=SizedBy.INVESTMENT, size=D(1000))
    assert make_lattice(spec, a_swap(), D(110)).amounts == (D("49.480"),)


def test_slots_that_sell_first_are_worth_their_size_at_their_upper_level() -> None:
    spec = a_spec(direction=Direction.NEUTRAL, slots=4, sized_by=SizedBy.QUOTE_PER_SLOT, size=D(1000))
    assert make_lattice(spec, a_market(), D(130)).amounts == (D(10), D(8), D("5.71428"), D(5))


@pytest.mark.parametrize(
    "sizes, problems",
    [
        (((10, "1"),), ["sizes: expected slots from 0 to 9, found slot 10"]),
        (((3, "1"), (3, "2")), ["sizes: expected each slot once, found slot 3 2 times"]),
        (((4, "0"), (-1, "1")), ["sizes: expected slots from 0 to 9, found slot -1",
                                 "sizes: expected a size above 0 for slot 4, found 0"]),
    ],
)  # fmt: skip
def test_sizes_that_cannot_be_are_all_named(sizes: tuple[tuple[int, str], ...], problems: list[str]) -> None:
    spec = a_spec(sizes=tuple(SlotSize(slot=slot, size=D(size)) for slot, size in sizes))
    with pytest.raises(SettingsInvalid) as refused:
        make_lattice(spec, a_market(), D(150))
    assert list(refused.value.problems) == [f"grid 'main': {problem}" for problem in problems]


def test_an_investment_that_its_own_sizes_use_up_is_refused() -> None:
    spec = a_spec(sized_by=SizedBy.INVESTMENT, size=D(500), sizes=(SlotSize(slot=0, size=D(500)),))
    with pytest.raises(SettingsInvalid, match="expected more than the 500 USDT that the slots of a size of their own"):
        make_lattice(spec, a_market(), D(150))


def test_a_slot_below_the_market_s_minimum_is_named_on_either_side() -> None:
    spec = a_spec(direction=Direction.SHORT, sizes=(SlotSize(slot=3, size=D("0.03")),))
    with pytest.raises(SettingsInvalid, match=r"found 0\.03 BTC in slot 3: notional must be at least 5 USDT, was 4\.2"):
        make_lattice(spec, a_market(), D(150))
    spec = a_spec(direction=Direction.SHORT, sizes=(SlotSize(slot=3, size=D("0.037")),))
    with pytest.raises(SettingsInvalid, match=r"found 0\.037 BTC to buy back in slot 3: notional must be at least 5"):
        make_lattice(spec, a_market(), D(150))


@st.composite
def wishes(draw: st.DrawFn) -> tuple[GridSpec, Market, Decimal]:
    """Grids of every shape on spot and swap markets, with a start price in, under or over their range."""
    slots = draw(st.integers(1, 12))
    is_swap = draw(st.booleans())
    fee_rate = draw(st.decimals(min_value=D("-0.0002"), max_value=D("0.002"), places=4))
    currency = FeeCurrency.QUOTE if is_swap else draw(st.sampled_from(FeeCurrency))
    market = replace(a_swap() if is_swap else a_market(), fee_currency=currency, amount_max=D(10) ** 9,
                     maker_fee_rate=fee_rate, taker_fee_rate=draw(st.sampled_from([fee_rate, D("0.001")])))  # fmt: skip
    size = draw(st.decimals(min_value=50, max_value=10**5, places=2))
    sized_by = draw(st.sampled_from(SizedBy))
    own = draw(st.dictionaries(st.integers(0, slots - 1), st.decimals(min_value=D("0.02"), max_value=2, places=2)))
    unit = size / slots if sized_by is SizedBy.INVESTMENT else size
    spec = a_spec(
        direction=draw(st.sampled_from(Direction)),
        spacing=draw(st.sampled_from(Spacing)),
        lower=D(100),
        upper=100 * draw(st.decimals(min_value=D("1.1"), max_value=4, places=2)),
        slots=slots,
        sized_by=sized_by,
        size=size,
        profile=draw(st.sampled_from(SizeProfile)),
        sizes=tuple(SlotSize(slot=slot, size=(unit * part / 3).quantize(D("0.01"))) for slot, part in own.items()),
        initial_purchase=draw(st.sampled_from(PURCHASES)),
        leverage=D(draw(st.integers(1, 20))) if is_swap else D(1),
    )
    return spec, market, draw(st.decimals(min_value=80, max_value=450, places=2))


@given(wishes())
def test_amounts_are_positive_whole_lots_within_the_investment_and_their_own_sizes(
    wish: tuple[GridSpec, Market, Decimal],
) -> None:
    spec, market, anchor = wish
    try:
        lattice = make_lattice(spec, market, anchor)
    except SettingsInvalid:
        assume(False)
    assert all(amount > 0 and amount % market.lot_size == 0 for amount in lattice.amounts)
    slots = slots_of(lattice)
    for own in spec.sizes:
        slot = slots[own.slot]
        wanted = own.size if spec.sized_by is SizedBy.BASE_PER_SLOT else own.size / slot.entry_price
        assert slot.amount == market.floor_amount(wanted)
    if spec.sized_by is SizedBy.INVESTMENT:
        funds = funds_needed(spec, market, lattice)
        fee = D("1.001") if market.fee_currency is FeeCurrency.QUOTE and market.swap is None else 1
        assert funds.quote + funds.base * anchor <= spec.size
        if len(spec.sizes) < spec.slots:
            most = max(*lattice.levels, anchor * D("1.01")) * fee * D("1.01")
            left = (spec.slots + 3) * market.lot_size * most + funds.base * anchor * (D(fee) - 1)
            assert funds.quote + funds.base * anchor > spec.size - left - 1


@given(wishes())
def test_the_least_investment_is_accepted_and_a_hundredth_less_is_not(wish: tuple[GridSpec, Market, Decimal]) -> None:
    spec, market, anchor = wish
    spec = replace(spec, sized_by=SizedBy.INVESTMENT, sizes=())
    levels = levels_or_none(spec, market, anchor)
    assume(levels is not None)
    assert levels is not None
    least = least_investment(spec, market, levels, anchor)
    make_lattice(replace(spec, size=least), market, anchor)
    with pytest.raises(SettingsInvalid):
        make_lattice(replace(spec, size=least * D("0.999999")), market, anchor)


def levels_or_none(spec: GridSpec, market: Market, anchor: Decimal) -> tuple[Decimal, ...] | None:
    """The levels of a grid that is possible with a large investment."""
    try:
        return make_lattice(replace(spec, size=D(10) ** 8), market, anchor).levels
    except SettingsInvalid:
        return None


def test_the_least_of_a_base_sized_grid_counts_the_same_base_in_every_slot() -> None:
    """0.05 BTC is worth 5 at the lowest level, and its rest after the fee is at every exit: times all levels."""
    spec, market = a_spec(), a_market()
    lattice = make_lattice(spec, market, D(200))
    least = least_investment(spec, market, lattice.levels, D(200))
    assert least == D("0.05") * 1450 + D("0.00000001")
    assert {slot.entry_side for slot in slots_of(lattice)} == {Side.BUY}


def test_the_least_is_enough_to_sell_what_a_fee_in_base_leaves() -> None:
    """Of 0.1 only 0.0999 is received, and whole lots of 0.1 are sold: so it takes 0.2."""
    market = a_market(lot_size=D("0.1"), amount_min=D("0.1"))
    assert least_investment(a_spec(), market, make_lattice(a_spec(), market, D(200)).levels, D(200)) == (
        D("0.2") * 1450 + D("0.00000001")
    )


@pytest.mark.parametrize("lot", ["0.00001", "0.1", "1"])
def test_an_investment_covers_the_lots_that_are_owed_for_fees_in_base(lot: str) -> None:
    market = a_market(lot_size=D(lot), amount_min=D(lot))
    for size in range(3000, 4000, 50):
        spec = a_spec(direction=Direction.SHORT, slots=4, sized_by=SizedBy.INVESTMENT, size=D(size))
        funds = funds_needed(spec, market, make_lattice(spec, market, D(150)))
        assert funds.quote + funds.base * 150 <= size
