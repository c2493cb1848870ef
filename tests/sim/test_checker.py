"""The independent checker agrees with real runs, and finds every way in which a good history is made a bad one."""

import ast
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Freeze, Pause, Resolve, Resume, Stop
from engine.model.grid import Disposal, InitialPurchase
from engine.model.market import FeeCurrency
from engine.model.order import OrderRequest, Side
from engine.model.reconcile import Resolution
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, a_market, a_spec
from tests.sim import checker, checker_shapes
from tests.sim.checker import check
from tests.sim.engine_builders import a_path, assert_balanced, until_quiet
from tests.sim.history import RecordedBench

D = Decimal
PATH = (155, 145, 135, 145, 155, 165, 150, 130, 120, 150, 170, 165, 151, 144, 160, 155)
PARTS = MatchingOptions(partial_fill_chance=D("0.7"), seed=3)
Line = dict[str, Any]
Corruption = Callable[[list[Line]], None]


async def pause_and_resume(engine: Engine) -> None:
    await anyio.sleep(150)
    await engine.command(Pause(grid="main"), by="test")
    await anyio.sleep(120)
    await engine.command(Resume(grid="main"), by="test")
    await until_quiet(engine)


def a_bench(**arguments: object) -> RecordedBench:
    return RecordedBench(a_path(*PATH), **arguments)


@cache
def a_good_history() -> tuple[str, ...]:
    """Fills in parts, fees in base, a pause that cancels, exits, dust; one engine, then a crash, then another."""
    bench = a_bench(markets=[a_market(lot_size=D("0.001"))], options=SimulatedOptions(matching=PARTS))

    async def scene() -> Engine:
        with suppress(ZeroDivisionError):
            async with bench.engine():
                await anyio.sleep(100)
                raise ZeroDivisionError
        await anyio.sleep(30)
        async with bench.engine() as engine:
            await pause_and_resume(engine)
        return engine

    engine = bench.run_scene(scene)
    assert_balanced(bench, engine)
    return tuple(bench.end(engine))


# It agrees


def test_it_agrees_with_a_run_that_crashed_paused_and_filled_in_parts() -> None:
    lines = a_good_history()
    assert check(lines) == []
    kinds = {json.loads(line)["what"] for line in lines}
    assert kinds == {"start", "record", "sent", "arrived", "accepted", "fill", "closed", "cancel", "crash", "end"}


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_runs_that_lose_delay_and_double_requests_and_reports(seed: int) -> None:
    """The second life asks for what the first was never told."""
    faults = FaultPlan(
        seed=seed,
        request_lost_chance=D("0.1"),
        answer_lost_chance=D("0.1"),
        report_dropped_chance=D("0.2"),
        report_doubled_chance=D("0.2"),
        report_delayed_chance=D("0.2"),
    )
    market = a_market(fee_currency=FeeCurrency.QUOTE if seed % 2 else FeeCurrency.RECEIVED)
    options = SimulatedOptions(matching=PARTS, faults=faults)
    bench = a_bench(markets=[market], options=options, reconcile_seconds=seed * 10.0)
    bench.run()
    engine = bench.run()
    assert_balanced(bench, engine)
    assert check(bench.end(engine)) == []


def test_it_agrees_with_several_grids_on_two_markets_of_one_account() -> None:
    grids = [a_spec(), a_spec(name="fine", lower=D(90), slots=11), a_spec(name="other", symbol="ETH/USDT")]
    bench = RecordedBench(
        a_path(*PATH),
        a_path(*PATH[::-1], symbol="ETH/USDT"),
        grids=grids,
        markets=[a_market(), a_market(symbol="ETH/USDT", base="ETH", fee_currency=FeeCurrency.QUOTE)],
        options=SimulatedOptions(matching=PARTS),
    )
    bench.run()
    assert check(bench.end(bench.run())) == []


@pytest.mark.parametrize("answer", [None, Resolution.WRITE_OFF])
def test_it_agrees_that_base_is_missing_whether_that_is_still_asked_or_answered(answer: Resolution | None) -> None:
    bench = a_bench(reconcile_seconds=30.0, balances={"BTC": D(3), "USDT": D(100_000)})

    async def take_base_away(engine: Engine) -> None:
        await anyio.sleep(20)
        await engine.command(Freeze(grid="main", slot=4), by="test")
        await anyio.sleep(300)
        bench.exchange.transfer("BTC", D("-3.5"))
        await anyio.sleep(200)
        (name,) = engine.coordinators["main"].books.questions
        if answer is not None:
            await engine.command(Resolve(grid="main", name=name, resolution=answer), by="test")
        await until_quiet(engine)

    lines = bench.end(bench.run(take_base_away))
    assert check(lines) == []
    assert json.loads(lines[-1])["questions"] == {"main": ["q1"] if answer is None else []}


@pytest.mark.parametrize("disposal", Disposal)
@pytest.mark.parametrize("lot", ["0.00001", "0.1"])
def test_it_agrees_with_runs_that_buy_at_the_start_leave_dust_and_are_stopped(disposal: Disposal, lot: str) -> None:
    bench = a_bench(
        grids=[a_spec(initial_purchase=InitialPurchase.MARKET, size=D("1.2"))], markets=[a_market(lot_size=D(lot))]
    )

    async def stop(engine: Engine) -> None:
        await anyio.sleep(570)
        await engine.command(Stop(grid="main", disposal=disposal), by="test")
        await until_quiet(engine)

    assert check(bench.end(bench.run(stop))) == []


def test_it_agrees_with_base_that_was_there_before_and_is_traded() -> None:
    spec = a_spec(initial_purchase=InitialPurchase.HOLDINGS)
    bench = a_bench(grids=[spec], balances={"BTC": D(7), "USDT": D(100_000)})
    assert check(bench.end(bench.run())) == []


def test_it_agrees_that_an_order_by_hand_and_its_money_are_nobody_elses_business() -> None:
    bench = a_bench(balances={"BTC": D(2), "USDT": D(100_000)})

    async def trade_by_hand(engine: Engine) -> None:
        await anyio.sleep(60)
        request = OrderRequest(
            client_order_id="byhand", symbol=SYMBOL, side=Side.SELL, price=D(148), amount=D(1), post_only=False
        )
        bench.exchange.place_by_hand(request)
        await until_quiet(engine)

    lines = bench.end(bench.run(trade_by_hand))
    assert sum('"foreign"' in line for line in lines) == 1
    assert sum('"client_order_id": "byhand"' in line and '"fill"' in line for line in lines) == 1
    assert check(lines) == []


# It finds


def first(lines: list[Line], what: str, **values: object) -> int:
    """Where the first line of a kind with these values is; ``kind`` is that of a record."""
    for index, line in enumerate(lines):
        if line["what"] == what and values.items() <= line.items():
            return index
    raise AssertionError(f"no {what} with {values}")


def fact_at(lines: list[Line], index: int) -> Line:
    fact: Line = json.loads(lines[index]["payload"])
    return fact


def change_fact(lines: list[Line], index: int, **values: object) -> None:
    lines[index]["payload"] = json.dumps({**fact_at(lines, index), **values})


def insert_fact(lines: list[Line], index: int, kind: str, **fact: object) -> None:
    lines.insert(index, {"what": "record", "at_ms": 0, "grid": "main", "kind": kind, "payload": json.dumps(fact)})


def chained(lines: list[Line]) -> None:
    """Number and chain the records again, as somebody would who wants to hide what was done to them."""
    start = lines[0]
    last = sha256(f"gridwright journal|1|{start['instance']}|{start['created_ms']}".encode()).hexdigest()
    records = [line for line in lines if line["what"] == "record"]
    for number, line in enumerate(records, 1):
        grid = line["grid"]
        text = f"{last}|{number}|{line['at_ms']}|{line['kind']}|{len(grid)}|{grid}|{line['payload']}"
        line |= {"sequence": number, "previous_hash": last, "hash": sha256(text.encode()).hexdigest()}
        last = line["hash"]


def intents(lines: list[Line], leg: str) -> list[int]:
    records = [index for index, line in enumerate(lines) if line.get("kind") == "order_intended"]
    return [index for index in records if fact_at(lines, index)["leg"] == leg]


def reports(lines: list[Line]) -> list[int]:
    """Where executions were booked."""
    records = [index for index, line in enumerate(lines) if line.get("kind") == "order_reported"]
    return [index for index in records if fact_at(lines, index)["report"]["fills"]]


def change_order(lines: list[Line], leg: str, which: int, **values: object) -> None:
    """Change an intent, and what arrived of it."""
    index = intents(lines, leg)[which]
    change_fact(lines, index, **values)
    lines[first(lines, "arrived", client_order_id=fact_at(lines, index)["client_order_id"])].update(values)


def reused(lines: list[Line]) -> Line:
    """The order of which another one of its slot and leg comes later."""
    seen: dict[str, Line] = {}
    for index in intents(lines, "entry"):
        fact = fact_at(lines, index)
        if fact["slot"] in seen:
            return {"earlier": seen[fact["slot"]], "later": fact, "index": index}
        seen[fact["slot"]] = fact
    raise AssertionError("no slot was entered twice")


def drop_a_fill(lines: list[Line]) -> None:
    del lines[first(lines, "fill")]


def double_a_fill(lines: list[Line]) -> None:
    index = first(lines, "fill")
    lines.insert(index, dict(lines[index]))


def fill_beyond_the_price(lines: list[Line]) -> None:
    index = first(lines, "fill", side="buy")
    lines[index]["price"] = str(D(lines[index]["price"]) + D("0.01"))


def fill_after_the_end_of_an_order(lines: list[Line]) -> None:
    index = first(lines, "closed", status="filled")
    name = lines[index]["client_order_id"]
    lines.insert(index + 1, {**lines[first(lines, "fill", client_order_id=name)], "trade_id": "new"})


def close_with_another_amount(lines: list[Line]) -> None:
    lines[first(lines, "closed", status="filled")]["filled"] = "0.5"


def book_another_fee(lines: list[Line]) -> None:
    index = reports(lines)[0]
    report = fact_at(lines, index)["report"]
    report["fills"][0]["fee"] = "0.002"
    change_fact(lines, index, report=report)


def book_before_it_happened(lines: list[Line]) -> None:
    index = reports(lines)[0]
    name = fact_at(lines, index)["report"]["client_order_id"]
    lines.insert(first(lines, "fill", client_order_id=name), lines.pop(index))


def forget_a_booking(lines: list[Line]) -> None:
    del lines[reports(lines)[-1]]


def book_a_report_of_a_closed_order(lines: list[Line]) -> None:
    for index in reports(lines):
        if fact_at(lines, index)["report"]["status"] == "filled":
            lines.insert(index + 1, dict(lines[index]))
            return


def close_an_order_that_rests(lines: list[Line]) -> None:
    fact = fact_at(lines, intents(lines, "entry")[0])
    report = {"client_order_id": fact["client_order_id"], "status": "canceled", "filled": "0", "fills": []}
    index = first(lines, "accepted", client_order_id=fact["client_order_id"])
    insert_fact(lines, index + 1, "order_reported", slot=fact["slot"], report=report)


def close_an_order_that_is_still_on_its_way(lines: list[Line]) -> None:
    index = intents(lines, "entry")[0]
    fact = fact_at(lines, index)
    report = {"client_order_id": fact["client_order_id"], "status": "canceled", "filled": "0", "fills": []}
    insert_fact(lines, index + 1, "order_reported", slot=fact["slot"], report=report)


def change_an_arrival_by_one_tick(lines: list[Line]) -> None:
    index = first(lines, "arrived")
    lines[index]["price"] = str(D(lines[index]["price"]) + D("0.01"))


def intend_after_the_arrival(lines: list[Line]) -> None:
    index = intents(lines, "entry")[0]
    arrival = first(lines, "accepted", client_order_id=fact_at(lines, index)["client_order_id"])
    lines.insert(arrival, lines.pop(index))


def arrive_again(lines: list[Line]) -> None:
    lines.insert(len(lines) - 1, dict(lines[first(lines, "arrived")]))


def use_an_id_again(lines: list[Line]) -> None:
    two = reused(lines)
    change_fact(lines, two["index"], client_order_id=two["earlier"]["client_order_id"])


def let_a_generation_fall(lines: list[Line]) -> None:
    two = reused(lines)
    name = two["earlier"]["client_order_id"]
    change_fact(lines, intents(lines, "entry")[0], client_order_id=name[:10] + "0000z" + name[15])


def use_the_id_of_another_slot(lines: list[Line]) -> None:
    index = intents(lines, "entry")[0]
    change_fact(lines, index, slot=fact_at(lines, index)["slot"] - 3)


def let_two_orders_of_a_slot_rest(lines: list[Line]) -> None:
    two = reused(lines)
    del lines[first(lines, "closed", client_order_id=two["earlier"]["client_order_id"])]


def intend_a_second_order(lines: list[Line]) -> None:
    index = intents(lines, "entry")[0]
    fact = fact_at(lines, index)
    name = fact["client_order_id"]
    insert_fact(lines, index + 1, "order_intended", **{**fact, "client_order_id": name[:10] + "00001" + name[15]})


def order_half_a_tick(lines: list[Line]) -> None:
    change_order(lines, "entry", 0, price="150.005")


def order_half_a_lot(lines: list[Line]) -> None:
    change_order(lines, "entry", 0, amount="0.9995")


def order_too_little(lines: list[Line]) -> None:
    change_order(lines, "entry", 0, amount="0.001")


def sell_more_than_the_lot(lines: list[Line]) -> None:
    change_order(lines, "exit", 0, amount="1.5")


def sell_at_the_entry(lines: list[Line]) -> None:
    change_order(lines, "entry", 0, side="sell")


def pause_before_an_entry(lines: list[Line]) -> None:
    insert_fact(lines, intents(lines, "entry")[-1], "grid_state_changed", state="paused")


def halt_before_an_exit(lines: list[Line]) -> None:
    insert_fact(lines, intents(lines, "exit")[0], "grid_state_changed", state="halted")


def freeze_before_an_exit(lines: list[Line]) -> None:
    index = intents(lines, "exit")[0]
    insert_fact(lines, index, "slot_frozen", slot=fact_at(lines, index)["slot"])


def pause_before_an_entry_leaves(lines: list[Line]) -> None:
    insert_fact(lines, first(lines, "sent"), "grid_state_changed", state="exits_only")


def cancel_without_a_wish(lines: list[Line]) -> None:
    del lines[first(lines, "record", kind="cancel_requested")]


def cancel_an_order_by_hand(lines: list[Line]) -> None:
    order = {"client_order_id": "byhand", "symbol": SYMBOL, "side": "buy", "price": "1", "amount": "9"}
    lines[2:2] = [{"what": "foreign", **order}, {"what": "cancel", "client_order_id": "byhand"}]


def take_out_more_than_there_is(lines: list[Line]) -> None:
    lot = {"quantity": "0.5", "cost_quote": "70"}
    insert_fact(lines, intents(lines, "entry")[0], "lot_corrected", slot=5, lot=lot)


def set_a_lot_aside_under_its_exit(lines: list[Line]) -> None:
    index = intents(lines, "exit")[0]
    insert_fact(lines, index + 1, "lot_set_aside", slot=fact_at(lines, index)["slot"])


def find_a_question_and_forget_it(lines: list[Line]) -> None:
    insert_fact(lines, len(lines) - 1, "discrepancy_found", name="q1", discrepancy={"client_order_id": ""}, asks=True)


def answer_a_question_that_nobody_asked(lines: list[Line]) -> None:
    insert_fact(lines, len(lines) - 1, "discrepancy_resolved", name="q9", resolution="adopt")


def end_with_other_money(lines: list[Line]) -> None:
    lines[-1]["balances"]["BTC"] = str(D(lines[-1]["balances"]["BTC"]) + D("0.00000001"))


def bring_money_unnoticed(lines: list[Line]) -> None:
    lines.insert(9, {"what": "transfer", "currency": "USDT", "amount": "-0.01"})


def end_with_other_cash(lines: list[Line]) -> None:
    lines[-1]["books"]["main"]["cash"] += "1"


def end_with_other_dust(lines: list[Line]) -> None:
    lines[-1]["books"]["main"]["dust"] = "0.1"


def end_with_a_lot_in_another_slot(lines: list[Line]) -> None:
    slots = lines[-1]["books"]["main"]["slots"]
    slots[0]["quantity"], slots[9]["quantity"] = "0.1", "-0.1"


def end_with_an_order_that_the_exchange_does_not_have(lines: list[Line]) -> None:
    lines[-1]["open_orders"].pop()


def end_with_an_order_of_ours_that_nobody_intended(lines: list[Line]) -> None:
    order = {"symbol": SYMBOL, "side": "buy", "price": "1", "amount": "9", "client_order_id": "gabc00e000000991"}
    lines.insert(len(lines) - 1, {"what": "foreign", **order})
    lines[-1]["open_orders"].append(order["client_order_id"])


def edit_a_record(lines: list[Line]) -> None:
    change_fact(lines, intents(lines, "entry")[0], reason="another")


def drop_a_record(lines: list[Line]) -> None:
    del lines[first(lines, "record", kind="cancel_requested")]


CORRUPTIONS: dict[Corruption, str] = {
    drop_a_fill: "was booked, it was not made so",
    double_a_fill: "twice, closed, too far or beyond its price",
    fill_beyond_the_price: "twice, closed, too far or beyond its price",
    fill_after_the_end_of_an_order: "twice, closed, too far or beyond its price",
    close_with_another_amount: "the exchange closed",
    book_another_fee: "was booked, it was not made so",
    book_before_it_happened: "was booked, it was not made so",
    forget_a_booking: "was never booked",
    book_a_report_of_a_closed_order: "I5: ",
    close_an_order_that_rests: "I2: ",
    close_an_order_that_is_still_on_its_way: "I6: ",
    change_an_arrival_by_one_tick: "I6: ",
    intend_after_the_arrival: "I6: ",
    arrive_again: "I4: ",
    use_an_id_again: "I4: ",
    let_a_generation_fall: "I4: ",
    use_the_id_of_another_slot: "I4: ",
    let_two_orders_of_a_slot_rest: "I1: ",
    intend_a_second_order: "I1: ",
    order_half_a_tick: "I9: ",
    order_half_a_lot: "I9: ",
    order_too_little: "I9: ",
    sell_more_than_the_lot: "I8: ",
    sell_at_the_entry: "I8: ",
    pause_before_an_entry: "was intended while paused",
    halt_before_an_exit: "was intended while halted",
    freeze_before_an_exit: "frozen is True",
    pause_before_an_entry_leaves: "was sent while its grid was exits_only",
    cancel_without_a_wish: "nobody had asked for that",
    cancel_an_order_by_hand: "byhand was cancelled",
    take_out_more_than_there_is: "I8: lot_corrected",
    set_a_lot_aside_under_its_exit: "I8: lot_set_aside",
    find_a_question_and_forget_it: "the journal asks {'q1'",
    answer_a_question_that_nobody_asked: "KeyError('q9')",
    end_with_other_money: "I3: the account holds",
    bring_money_unnoticed: "I3: the account holds",
    end_with_other_cash: "I3: the books of main",
    end_with_other_dust: "I3: the books of main",
    end_with_a_lot_in_another_slot: "I3: the books of main",
    end_with_an_order_that_the_exchange_does_not_have: "the history says",
    end_with_an_order_of_ours_that_nobody_intended: "I2: ",
}
"""Every corruption, and what is said of it; its records are chained again."""


@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda corrupt: corrupt.__name__)
def test_it_finds_every_corruption_of_a_good_history(corrupt: Corruption) -> None:
    lines = [json.loads(line) for line in a_good_history()]
    chained(lines)
    assert check(map(json.dumps, lines)) == []
    corrupt(lines)
    chained(lines)
    found = check(map(json.dumps, lines))
    assert [text for text in found if CORRUPTIONS[corrupt] in text], found


@pytest.mark.parametrize("corrupt", [edit_a_record, drop_a_record])
def test_it_finds_a_record_that_is_not_what_was_written(corrupt: Corruption) -> None:
    lines = [json.loads(line) for line in a_good_history()]
    corrupt(lines)
    assert "does not chain" in check(map(json.dumps, lines))[0]


@pytest.mark.parametrize("module", [checker, checker_shapes])
def test_it_shares_no_code_with_the_engine_and_is_short(module: ModuleType) -> None:
    """Standard library only; a second implementation that has to be believed must be readable in one sitting."""
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    tree = ast.parse(text)
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    outside = {str(name).split(".")[0] for name in imported - {checker_shapes.__name__}}
    assert outside <= sys.stdlib_module_names
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    told = {line for node in strings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    code = [line for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in told]
    assert len(code) < 200
