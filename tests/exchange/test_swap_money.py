"""Whatever happens on swaps: no money is made or lost, nothing goes below zero, and a restart changes nothing."""

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, Inexact, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.funding import FundingRates
from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.positions import MarginTerms
from engine.exchange.simulated_books import open_books
from engine.model.errors import Rejected
from engine.model.grid import MarginMode
from engine.model.order import OrderRequest, Side
from engine.model.swap import FundingPayment, Liquidation
from tests.exchange.simulated_builders import BTC, MARKET, ListSource
from tests.exchange.swap_builders import BTC_SWAP, ETH_SWAP, ISOLATED, OTHER_SWAP, SWAP, D

MARKETS = (MARKET, SWAP, OTHER_SWAP)
SYMBOLS = (BTC, BTC_SWAP, ETH_SWAP)
SWAPS = (BTC_SWAP, ETH_SWAP)
INTERVAL_MS = 28_800_000
Step = Callable[[MatchingEngine], object]


def random_engine(seed: int, wallet: Decimal) -> MatchingEngine:
    options = MatchingOptions(
        seed=seed,
        partial_fill_chance=D("0.3"),
        open_orders_max=8,
        funding=FundingRates(rate=D("0.001"), spread=D("0.01"), seed=seed),
    )
    return MatchingEngine(markets=MARKETS, balances={"BTC": D(5), "USDT": wallet}, options=options)


def random_step(dice: random.Random, number: int) -> Step:
    """Something that happens, and a function that lets it; its answer is what came of it."""
    symbol, swap = dice.choice(SYMBOLS), dice.choice(SWAPS)
    at_ms = number * 3_000_000
    price = D(dice.randrange(700, 1_300)) / 10
    jump = D(dice.randrange(300, 2_500)) / 10
    request = OrderRequest(
        client_order_id=f"o{number}",
        symbol=symbol,
        side=dice.choice(list(Side)),
        price=price,
        amount=dice.randrange(100, 4_000) * D("0.001"),
        post_only=False,
        reduce_only=symbol != BTC and dice.random() < 0.3,
    )
    terms = MarginTerms(leverage=D(dice.choice((1, 3, 7, 20, 100))), mode=dice.choice(list(MarginMode)))
    target, sent = f"o{dice.randrange(number + 1)}", D(dice.randrange(-50, 50))
    kinds: dict[str, Step] = {
        "place": lambda engine: engine.place(request, at_ms),
        "trade": lambda engine: engine.trade(symbol, price, at_ms),
        "jump": lambda engine: engine.trade(symbol, jump, at_ms),
        "cancel": lambda engine: engine.cancel(symbol, target, at_ms),
        "terms": lambda engine: engine.set_leverage(swap, terms),
        "transfer": lambda engine: engine.transfer("USDT", sent),
        "fund": lambda engine: engine.fund(swap, at_ms) if swap in engine.funding_due_ms() else None,
    }
    step = kinds[dice.choices(list(kinds), weights=(6, 4, 1, 1, 1, 1, 2))[0]]

    def safely(engine: MatchingEngine) -> object:
        try:
            return step(engine), engine.take_news()
        except Rejected as error:
            return str(error)

    return safely


def check(engine: MatchingEngine, paid_in: dict[str, Decimal]) -> None:
    """The invariants of a matching engine with swaps, between two steps."""
    assert engine.totals() == paid_in
    assert all(balance.free >= 0 and balance.locked >= 0 for balance in engine.balances().values())
    assert engine.positions().keys() == engine.funding_due_ms().keys()
    held = engine._desk.held
    assert held.lost() == ()
    crossed = [symbol for symbol in engine.positions() if symbol not in isolated(engine)]
    if len(crossed) < 2:
        assert engine._account.free["USDT"] >= 0
    for symbol, position in engine.positions().items():
        band, mark = engine._desk.band(symbol), engine.last_price(symbol)
        assert band is not None
        assert mark is not None
        price = position.liquidation_price
        if position.amount > 0:
            assert price is None or price <= band.low <= mark
        else:
            assert price is not None
            assert mark <= band.high <= price
    for swap in SWAPS:
        for order in held.books[swap].orders.values():
            assert (order.locked == 0) == order.reduce_only


def isolated(engine: MatchingEngine) -> set[str]:
    return {symbol for symbol, position in engine.positions().items() if position.mode is ISOLATED}


@given(seed=st.integers(0, 10**9), wallet=st.sampled_from([D(0), D(5), D("77.7"), D(1_000)]))
def test_nothing_that_happens_creates_or_loses_money_and_every_sum_is_exact(seed: int, wallet: Decimal) -> None:
    engine, dice = random_engine(seed, wallet), random.Random(seed)
    with localcontext() as context:
        context.traps[Inexact] = True
        for number in range(60):
            random_step(dice, number)(engine)
            check(engine, {"BTC": D(5), "USDT": wallet})


def test_random_runs_reach_what_they_are_for() -> None:
    """Liquidations of either mode, insurance, funding, flips and cancellations at the fill all happen in them."""
    met: set[str] = set()
    for seed in range(40):
        engine, dice = random_engine(seed, D("77.7")), random.Random(seed)
        for number in range(60):
            modes = {position.mode for position in engine.positions().values()}
            came = random_step(dice, number)(engine)
            for mode in modes - {position.mode for position in engine.positions().values()}:
                met |= {f"lost {mode}"} if "Liquidation(" in repr(came) else set()
            met |= {
                word
                for word in ("insufficient margin when", "no position is left", "FundingPayment")
                if word in repr(came)
            }
            met |= {"insured"} if engine._account.insurance["USDT"] < 0 else set()
            met |= {"cannot carry"} if "cannot carry" in repr(came) else set()
    assert met == {
        *("lost isolated", "lost cross", "insured", "FundingPayment"),
        *("insufficient margin when", "no position is left", "cannot carry"),
    }


@settings(max_examples=max(settings().max_examples // 10, 10))
@given(seed=st.integers(0, 10**6))
def test_an_exchange_killed_after_any_step_goes_on_as_if_nothing_had_happened(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("books")
    dice = random.Random(seed)
    steadfast, reborn = random_engine(seed, D(100)), random_engine(seed, D(100))
    source = ListSource([(0, "100")])
    told: list[object] = []
    for number in range(30):
        step = random_step(dice, number)
        came = step(steadfast)
        assert step(reborn) == came
        news = came[1] if isinstance(came, tuple) else ()
        told += news
        books = open_books(folder)
        books.save(at_ms=number, matching=reborn, source=source, news=news)
        books.close()
        steadfast.take_changes()
        steadfast.take_moved_bands()
        reborn = random_engine(seed, D(100))
        books = open_books(folder)
        kept = books.load()
        assert kept is not None
        reborn.restore(kept.matching, kept.open_orders, kept.used_ids)
        books.close()
        reborn.take_moved_bands()
        for kind in (FundingPayment, Liquidation):
            assert [one for one in kept.news if isinstance(one, kind)] == [one for one in told if isinstance(one, kind)]
        assert truth(reborn) == truth(steadfast)


def truth(engine: MatchingEngine) -> tuple[object, ...]:
    orders = [replace(order, fills=()) for symbol in SYMBOLS for order in engine.open_orders(symbol)]
    bands = [engine.quiet_band(symbol) for symbol in SYMBOLS]
    return engine.balances(), engine.totals(), engine.positions(), engine.state(), orders, bands
