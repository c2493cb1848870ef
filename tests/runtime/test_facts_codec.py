"""Facts to bytes and back: exact, canonical, refused when in doubt."""

import re
from decimal import Decimal
from typing import cast, get_args

import msgspec.json
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.errors import JournalFailed
from engine.model.events import (
    BlocksChanged,
    CancelRequested,
    DecisionNarrowed,
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    FundingBooked,
    GridOpened,
    GridStateChanged,
    HoldingNoted,
    LateFillBooked,
    LatticeMigrated,
    LotAdopted,
    LotCorrected,
    LotMoved,
    LotSetAside,
    MarketAdopted,
    OrderIntended,
    OrderReleased,
    OrderReported,
    PositionLiquidated,
    RegimeChanged,
    RiskMarked,
    ShadowChanged,
    SlotFrozen,
    SlotThawed,
    WindowChanged,
)
from engine.model.grid import Direction, GridSpec, GridState, InitialPurchase, Lattice, SizedBy, Spacing
from engine.model.market import FeeCurrency, Market
from engine.model.order import Fill, OrderReport, OrderStatus, Side
from engine.model.reconcile import Discrepancy, DiscrepancyKind, Resolution
from engine.model.regime import SuppressedEntry
from engine.model.risk import Block, RiskState, Trail
from engine.model.slot import Lot
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.facts_codec import (
    KIND_OF_FACT,
    Chain,
    JournalIdentity,
    fact_from_payload,
    first_hash,
    hash_of_record,
    payload_from_fact,
)

IDENTITY = JournalIdentity(instance="k7z", created_ms=1_583_020_800_000)

digits = st.integers(0, 10**30).map(lambda number: tuple(map(int, str(number))))
decimals = st.builds(
    lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
    st.integers(0, 1),
    digits,
    st.integers(-40, 40),
)
positive = st.builds(
    lambda number, exponent: Decimal(number).scaleb(exponent), st.integers(1, 10**20), st.integers(-9, 9)
)
rates = st.decimals("-0.01", "0.09", places=5)
numbers = st.integers(-(2**63), 2**63 - 1)
counts = st.integers(1, 2**63 - 1)
lots = st.builds(Lot, quantity=decimals, cost_quote=decimals)
fills = st.builds(Fill, price=decimals, amount=decimals, fee=decimals, at_ms=numbers)
reports = st.builds(
    OrderReport,
    price=decimals,
    amount=decimals,
    filled=decimals,
    fills=st.lists(fills, max_size=3).map(tuple),
    at_ms=numbers,
)


@st.composite
def specs(draw: st.DrawFn) -> GridSpec:
    """A grid with its lower price below its upper one."""
    lower, upper = sorted(draw(st.lists(positive, min_size=2, max_size=2, unique=True)))
    return draw(
        st.builds(
            GridSpec,
            lower=st.just(lower),
            upper=st.just(upper),
            slots=counts,
            size=positive,
            window=counts,
        )
    )


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """A market with its least amount below its greatest one."""
    least, most = sorted(draw(st.lists(positive, min_size=2, max_size=2, unique=True)))
    return draw(
        st.builds(
            Market,
            tick_size=positive,
            lot_size=positive,
            amount_min=st.just(least),
            amount_max=st.just(most),
            notional_min=decimals,
            maker_fee_rate=rates,
            taker_fee_rate=rates,
        )
    )


lattices = st.builds(
    Lattice,
    version=numbers,
    anchor=decimals,
    levels=st.lists(decimals, max_size=4).map(tuple),
    amounts=st.lists(decimals, max_size=4).map(tuple),
    ids=st.lists(numbers, max_size=4).map(tuple),
    sides=st.lists(st.sampled_from(Side), max_size=4).map(tuple),
)
discrepancies = st.builds(
    Discrepancy,
    slot=st.none() | numbers,
    report=st.none() | reports,
    quantity=decimals,
    market=st.none() | markets(),
)
entries = st.builds(SuppressedEntry, slot=numbers, price=decimals, exit_price=decimals, amount=decimals)
blocks = st.one_of(
    st.builds(Block, since_ms=numbers, until_ms=numbers, needs_person=st.just(False)),
    st.builds(Block, since_ms=numbers, until_ms=st.none(), needs_person=st.just(True)),
)
risk_states = st.builds(
    RiskState,
    day=numbers,
    day_start_total=decimals,
    peak_total=decimals,
    trails=st.lists(st.builds(Trail, best=decimals), max_size=2).map(tuple),
)
payments = st.builds(
    FundingPayment, amount=decimals, rate=decimals, position=decimals, mark_price=decimals, at_ms=numbers
)
facts: dict[type[Fact], st.SearchStrategy[Fact]] = {
    GridOpened: st.builds(GridOpened, number=numbers, spec=specs(), market=markets(), lattice=lattices),
    OrderIntended: st.builds(
        OrderIntended,
        slot=numbers,
        price=decimals,
        amount=decimals,
        dust=lots,
        price_seen=decimals,
        is_adopted=st.booleans(),
    ),
    CancelRequested: st.builds(CancelRequested, slot=numbers, price_seen=decimals),
    OrderReported: st.builds(OrderReported, slot=numbers, report=reports),
    LateFillBooked: st.builds(
        LateFillBooked, slot=numbers, amount=decimals, fills=st.lists(fills, max_size=3).map(tuple)
    ),
    OrderReleased: st.builds(OrderReleased, slot=numbers),
    LotSetAside: st.builds(LotSetAside, slot=numbers, price_seen=decimals),
    LotAdopted: st.builds(LotAdopted, slot=numbers, lot=lots),
    SlotFrozen: st.builds(SlotFrozen, slot=numbers),
    SlotThawed: st.builds(SlotThawed, slot=numbers),
    GridStateChanged: st.builds(GridStateChanged),
    DiscrepancyFound: st.builds(DiscrepancyFound, discrepancy=discrepancies),
    DiscrepancyResolved: st.builds(DiscrepancyResolved),
    LotCorrected: st.builds(LotCorrected, slot=st.none() | numbers, lot=lots),
    HoldingNoted: st.builds(HoldingNoted, beside=decimals),
    MarketAdopted: st.builds(MarketAdopted, market=markets()),
    WindowChanged: st.builds(WindowChanged, window=numbers),
    DecisionNarrowed: st.builds(
        DecisionNarrowed,
        left_out=st.lists(numbers, max_size=4).map(tuple),
        unsettled=st.lists(numbers, max_size=4).map(tuple),
    ),
    RegimeChanged: st.builds(RegimeChanged, since_ms=numbers),
    ShadowChanged: st.builds(
        ShadowChanged,
        filled=st.lists(entries, max_size=3).map(tuple),
        left=st.lists(numbers, max_size=3).map(tuple),
        ended=st.lists(numbers, max_size=3).map(tuple),
        ended_at=decimals,
    ),
    BlocksChanged: st.builds(BlocksChanged, blocks=st.lists(blocks, max_size=2).map(tuple)),
    RiskMarked: st.builds(RiskMarked, state=risk_states),
    LatticeMigrated: st.builds(
        LatticeMigrated,
        spec=specs(),
        lattice=lattices,
        moved=st.lists(st.builds(LotMoved, source=numbers, target=numbers), max_size=2).map(tuple),
        initial=st.lists(numbers, max_size=3).map(tuple),
        funds_quote=decimals,
        funds_base=decimals,
    ),
    FundingBooked: st.builds(FundingBooked, payment=payments),
    PositionLiquidated: st.builds(
        PositionLiquidated,
        liquidation=st.builds(Liquidation, amount=decimals, price=decimals, fee=decimals, at_ms=numbers),
    ),
}


def a_report() -> OrderReport:
    """A fill as an exchange tells it, with amounts in several spellings."""
    fill = Fill(
        trade_id="t1",
        price=Decimal("1E+3"),
        amount=Decimal("0.00120"),
        fee=Decimal("-0.00"),
        fee_currency="BTC",
        is_maker=True,
        at_ms=5,
    )
    return OrderReport(
        client_order_id="gk7z00e0000000001",
        symbol="BTC/USDT",
        side=Side.BUY,
        price=Decimal("61250.00"),
        amount=Decimal("0.00120"),
        status=OrderStatus.FILLED,
        filled=Decimal("0.00120"),
        fills=(fill,),
        at_ms=5,
    )


@pytest.mark.parametrize("kind", list(facts), ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_fact_comes_back_equal_and_from_the_same_bytes(kind: type[Fact], data: st.DataObject) -> None:
    fact = data.draw(facts[kind])
    name, payload = payload_from_fact(fact)
    again = fact_from_payload(name, payload, sequence=1)
    assert again == fact
    assert repr(again) == repr(fact), "Decimals keep their exponent and sign, enums their type"
    assert payload_from_fact(again) == (name, payload)


def test_every_fact_has_a_kind_that_is_its_name_in_snake_case() -> None:
    kinds = {fact: re.sub(r"(?<!^)(?=[A-Z])", "_", fact.__name__).lower() for fact in get_args(Fact)}
    assert kinds == KIND_OF_FACT
    assert set(facts) == set(kinds), "each kind is round-tripped above"


def test_payload_is_canonical_json_with_decimals_as_they_were_given() -> None:
    kind, payload = payload_from_fact(OrderReported(slot=3, report=a_report()))
    assert kind == "order_reported"
    assert payload == (
        b'{"report":{"amount":"0.00120","at_ms":5,"client_order_id":"gk7z00e0000000001","filled":"0.00120",'
        b'"fills":[{"amount":"0.00120","at_ms":5,"fee":"-0.00","fee_currency":"BTC","is_maker":true,'
        b'"price":"1E+3","trade_id":"t1"}],"price":"61250.00","reason":"","side":"buy","status":"filled",'
        b'"symbol":"BTC/USDT"},"slot":3}'
    )


def test_none_is_kept() -> None:
    fact = GridStateChanged(state=GridState.RUNNING, disposal=None, reason="started", by="engine")
    kind, payload = payload_from_fact(fact)
    assert payload == b'{"by":"engine","disposal":null,"reason":"started","state":"running"}'
    assert fact_from_payload(kind, payload, sequence=1) == fact


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_fact_with_a_number_that_is_none_is_not_accepted(text: str) -> None:
    with pytest.raises(JournalFailed, match="expected a fact that can be read back, found LotAdopted"):
        payload_from_fact(LotAdopted(slot=1, lot=Lot(quantity=Decimal(text))))


@pytest.mark.parametrize("amount", [7, 1.5, "7", None, True])
def test_fact_with_a_value_of_another_type_is_not_accepted(amount: object) -> None:
    """Text stands for a Decimal in JSON, so it alone is read back as what was meant."""
    fact = LotAdopted(slot=1, lot=Lot(quantity=cast(Decimal, amount)))
    if amount == "7":
        assert fact_from_payload(*payload_from_fact(fact), sequence=1) == LotAdopted(
            slot=1, lot=Lot(quantity=Decimal(7))
        )
        return
    with pytest.raises(JournalFailed, match="expected a fact that can be read back"):
        payload_from_fact(fact)


def test_text_that_is_not_unicode_is_not_accepted() -> None:
    with pytest.raises(JournalFailed, match="surrogates not allowed"):
        payload_from_fact(SlotThawed(slot=1, by="\ud800"))


def test_words_that_look_like_numbers_are_only_words() -> None:
    fact = SlotFrozen(slot=1, reason="NaN and Infinity were reported", by="operator")
    assert fact_from_payload(*payload_from_fact(fact), sequence=1) == fact


@pytest.mark.parametrize(
    "kind, payload, reason",
    [
        ("slot_melted", b'{"by":"x","slot":1}', "expected one of the kinds grid_opened, order_intended"),
        ("slot_thawed", b"", "Input data was truncated"),
        ("slot_thawed", b'{"by":"x"', "Input data was truncated"),
        ("slot_thawed", b'{"by":"x"}', "missing required field `slot`"),
        ("slot_thawed", b'{"by":"x","slot":"1"}', "Expected `int`, got `str`"),
        ("slot_thawed", b'{"by":"x","slot":1,"to":2}', "expected only known fields"),
        ("slot_thawed", b'{"slot":1,"by":"x"}', "expected canonical JSON"),
        ("slot_thawed", b'{"by":"x", "slot":1}', "expected canonical JSON"),
        ("lot_adopted", b'{"lot":{"cost_quote":1.5,"quantity":"1"},"slot":1}', "each in its canonical form"),
        (
            "lot_adopted",
            b'{"lot":{"cost_quote":"1_0","quantity":"1"},"slot":1}',
            "each in its canonical form",
        ),
        ("lot_adopted", b'{"lot":{"cost_quote":"NaN","quantity":"1"},"slot":1}', "expected finite numbers"),
        ("lot_adopted", b'{"lot":{"cost_quote":"x","quantity":"1"},"slot":1}', "Invalid decimal string"),
        (
            "grid_state_changed",
            b'{"by":"x","disposal":null,"reason":"","state":"melted"}',
            "Invalid enum value 'melted'",
        ),
    ],
)
def test_bytes_that_are_not_ours_are_refused_with_the_record_and_the_reason(
    kind: str, payload: bytes, reason: str
) -> None:
    with pytest.raises(JournalFailed, match=rf"record 17: expected a fact, found '{kind}': .*{reason}"):
        fact_from_payload(kind, payload, sequence=17)


def test_values_that_the_model_refuses_are_refused() -> None:
    """A grid whose lower price is above its upper one cannot come out of a journal."""
    spec = GridSpec(
        name="btc",
        symbol="BTC/USDT",
        direction=Direction.LONG,
        spacing=Spacing.GEOMETRIC,
        lower=Decimal(1),
        upper=Decimal(2),
        slots=1,
        sized_by=SizedBy.INVESTMENT,
        size=Decimal(1),
        window=1,
        initial_purchase=InitialPurchase.NONE,
    )
    market = Market(
        symbol="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
        amount_min=Decimal(0),
        amount_max=Decimal(9),
        notional_min=Decimal(5),
        maker_fee_rate=Decimal("0.001"),
        taker_fee_rate=Decimal("0.001"),
        fee_currency=FeeCurrency.QUOTE,
    )
    lattice = Lattice(version=1, anchor=Decimal(1), levels=(Decimal(1), Decimal(2)), amounts=(Decimal(5),))
    kind, payload = payload_from_fact(GridOpened(number=0, spec=spec, market=market, lattice=lattice))
    with pytest.raises(JournalFailed, match="lower must be above 0 and below upper, was 3 and 2"):
        fact_from_payload(kind, payload.replace(b'"lower":"1"', b'"lower":"3"'), sequence=1)


def test_fact_from_before_a_field_with_a_default_was_added_can_still_be_read() -> None:
    """``OrderReport.reason`` and ``fills`` have defaults: a journal from before them would lack them."""
    kind, payload = payload_from_fact(OrderReported(slot=3, report=a_report()))
    written = msgspec.json.decode(payload)
    del written["report"]["reason"]
    older = msgspec.json.encode(written, order="sorted")
    assert fact_from_payload(kind, older, sequence=1) == OrderReported(slot=3, report=a_report())


def test_a_discrepancy_from_before_its_quantity_report_and_market_existed_can_still_be_read() -> None:
    written = (
        b'{"asks":true,"discrepancy":{"choices":[{"effect":"looks again","moves_money":false,"resolution":"query"}],'
        b'"client_order_id":"","detail":"0.5 is missing","kind":"holding_short","proposed":"query",'
        b'"rows":[],"slot":null,"unanswered":""},"name":"q1"}'
    )
    fact = fact_from_payload("discrepancy_found", written, sequence=1)
    assert isinstance(fact, DiscrepancyFound)
    found = fact.discrepancy
    assert (found.kind, found.proposed) == (DiscrepancyKind.HOLDING_SHORT, Resolution.QUERY)
    assert (found.quantity, found.report, found.market) == (Decimal(0), None, None)


@pytest.mark.parametrize(
    "kind, payload, reason",
    [
        ("lot_corrected", b'{"lot":{"cost_quote":"0","quantity":"1"},"reason":"x"}', "missing required field `slot`"),
        (
            "discrepancy_resolved",
            b'{"by":"x","name":"q1","outcome":"","resolution":"burn"}',
            "Invalid enum value 'burn'",
        ),
        ("holding_noted", b'{"beside":"Infinity"}', "expected finite numbers"),
        ("decision_narrowed", b'{"left_out":[1.5],"unsettled":[]}', "Expected `int`, got `float`"),
    ],
)
def test_a_damaged_correction_is_refused_with_the_record_and_the_reason(kind: str, payload: bytes, reason: str) -> None:
    with pytest.raises(JournalFailed, match=rf"record 17: expected a fact, found '{kind}': .*{reason}"):
        fact_from_payload(kind, payload, sequence=17)


def test_chain_ties_every_part_of_a_record_to_the_one_before() -> None:
    variants = {
        hash_of_record("a" * 64, 7, 1_000, "btc", "slot_thawed", b"{}"),
        hash_of_record("b" * 64, 7, 1_000, "btc", "slot_thawed", b"{}"),
        hash_of_record("a" * 64, 8, 1_000, "btc", "slot_thawed", b"{}"),
        hash_of_record("a" * 64, 7, 1_001, "btc", "slot_thawed", b"{}"),
        hash_of_record("a" * 64, 7, 1_000, "eth", "slot_thawed", b"{}"),
        hash_of_record("a" * 64, 7, 1_000, "btc", "slot_frozen", b"{}"),
        hash_of_record("a" * 64, 7, 1_000, "btc", "slot_thawed", b"{ }"),
        hash_of_record("a" * 64, 7, 1_000, "btc|{", "slot_thawed", b"}"),
    }
    assert len(variants) == 8


def test_same_facts_give_the_same_hash_on_every_machine() -> None:
    chain = Chain(0, first_hash(IDENTITY))
    records, rows = chain.extend("btc", [SlotThawed(slot=1, by="x"), OrderReported(slot=3, report=a_report())], 9)
    assert chain.head == (2, "f528b6c6441f9ce8ccc0df1e64cda793490e9424f83a66aa1a67f8c08435a4c5"), (
        "as sha256sum computes it"
    )
    assert [(record.sequence, record.previous_hash) for record in records] == [
        (1, first_hash(IDENTITY)),
        (2, records[0].hash),
    ]
    assert rows[0] == (
        1,
        9,
        "btc",
        "slot_thawed",
        '{"by":"x","slot":1}',
        first_hash(IDENTITY),
        records[0].hash,
    )


def test_chain_does_not_move_when_one_of_the_facts_is_bad() -> None:
    chain = Chain(0, first_hash(IDENTITY))
    with pytest.raises(JournalFailed):
        chain.extend("btc", [SlotThawed(slot=1, by="x"), SlotThawed(slot=1, by="\ud800")], 9)
    assert chain.head == (0, first_hash(IDENTITY))


@pytest.mark.parametrize("instance", ["", "ab", "abcd", "AB1", "a-b", "äbc"])
def test_instance_that_does_not_fit_a_client_order_id_is_refused(instance: str) -> None:
    with pytest.raises(ValueError, match="instance must be three characters of 0-9a-z"):
        JournalIdentity(instance=instance, created_ms=0)


def test_journals_of_two_instances_never_share_a_hash() -> None:
    assert first_hash(IDENTITY) != first_hash(JournalIdentity(instance="k7y", created_ms=IDENTITY.created_ms))
