"""The lock hierarchy in the source: the engine keeps it, and whatever breaks it is found, through calls too."""

import pytest

from tests.house.lock_lint import lint, port_requests
from tests.house.lock_words import Rule
from tests.house.sources import Source, python_sources, report

HEAD = """
from contextlib import suppress
from functools import partial
import anyio
from engine.runtime.coordinator import FactLog
from engine.runtime.manager import SlotManager

class Coordinator:
    def __init__(self, manager: SlotManager, journal: FactLog, exchange) -> None:
        self.manager, self._journal, self.exchange = manager, journal, exchange

    async def road(self) -> None:
        async with self.manager.locks.manager:
            hold, reservation = self.manager.reserve((), price_seen=1, at_ms=0)
        with hold:
            await self._journal.append("main", reservation.facts, 0)
        await self.exchange.place(1)
        await self._rest()

    async def wait_for_slots(self) -> None:
        async with self.manager.locks.manager:
            hold = await self.manager.locks.hold_slots((1, 2))
        with hold:
            facts = []
            facts.append(1)

    async def _place(self, request) -> None:
        await self.exchange.place(request)

    async def _place_twice(self, request) -> None:
        await self._place(request)
        await self._place(request)

    async def _make_durable(self) -> None:
        await self._journal.append("main", (), 0)

    async def _note(self) -> None:
        await self._make_durable()

    async def _rest(self) -> None:
        await anyio.sleep(1)

    async def _rest_well(self) -> None:
        await self._rest()

    async def _ask_all(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._rest)

    async def _take_manager(self) -> None:
        async with self.manager.locks.manager:
            pass

    async def _take_manager_far_away(self) -> None:
        await self._take_manager()

    def _try_slots(self):
        with self.manager.locks.hold_free_slots((1,))[0]:
            pass
"""
"""A file of the engine that keeps the hierarchy, and has the helpers that the planted lines misuse."""
MANAGER = "async with self.manager.locks.manager:\n    "
SLOT = "with await self.manager.locks.hold_slots((1,)):\n    "
JOURNAL = "async with self.gate.lock:\n    "

PLANTED = [
    (SLOT + MANAGER + "    pass", Rule.ORDER, "planted -> self.manager.locks.manager, holding slot"),
    (MANAGER + MANAGER + "    pass", Rule.ORDER, "planted -> self.manager.locks.manager, holding manager"),
    (JOURNAL + "self._try_slots()", Rule.ORDER, "_try_slots -> self.manager.locks.hold_free_slots, holding journal"),
    (SLOT + "self._try_slots()", Rule.ORDER, "_try_slots -> self.manager.locks.hold_free_slots, holding slot"),
    (
        SLOT + "await self._take_manager_far_away()",
        Rule.ORDER,
        "_take_manager_far_away -> Coordinator._take_manager -> self.manager.locks.manager, holding slot",
    ),
    (
        "lock = self.manager.locks.manager\n" + SLOT + "async with lock:\n        pass",
        Rule.ORDER,
        "planted -> lock, holding slot",
    ),
    (MANAGER + "await self.exchange.place(1)", Rule.NETWORK, "planted -> self.exchange.place, holding manager"),
    (SLOT + "await self.exchange.fetch_order(1)", Rule.NETWORK, "planted -> self.exchange.fetch_order, holding slot"),
    (
        MANAGER + "await self._place_twice(1)",
        Rule.NETWORK,
        "_place_twice -> Coordinator._place -> self.exchange.place, holding manager",
    ),
    (
        SLOT + "await retry(partial(self._place_twice, 1))",
        Rule.NETWORK,
        "_place_twice -> Coordinator._place -> self.exchange.place, holding slot",
    ),
    (JOURNAL + "await self.exchange.run(self)", Rule.NETWORK, "planted -> self.exchange.run, holding journal"),
    (MANAGER + "await self._journal.append('main', (), 0)", Rule.DISK, "self._journal.append, holding manager"),
    (MANAGER + "await self._journal.commit()", Rule.DISK, "planted -> self._journal.commit, holding manager"),
    (
        MANAGER + "await self._note()",
        Rule.DISK,
        "_note -> Coordinator._make_durable -> self._journal.append, holding manager",
    ),
    (
        "async with self.manager.locks.manager, self.gate.lock:\n    await self._journal.commit()",
        Rule.DISK,
        "planted -> self._journal.commit, holding manager and journal",
    ),
    (MANAGER + "open('notes')", Rule.DISK, "planted -> open, holding manager"),
    (SLOT + "await anyio.sleep(1)", Rule.SLEEP, "planted -> anyio.sleep, holding slot"),
    (SLOT + "await self._rest_well()", Rule.SLEEP, "_rest_well -> Coordinator._rest -> anyio.sleep, holding slot"),
    (SLOT + "await self._ask_all()", Rule.WAIT, "_ask_all -> anyio.create_task_group, holding slot"),
    (MANAGER + "await self.answered.wait()", Rule.WAIT, "planted -> self.answered.wait, holding manager"),
    (SLOT + "async for one in self.answers:\n        pass", Rule.WAIT, "async for self.answers, holding slot"),
    (
        "hold = await self.manager.locks.hold_slots((1,))\nawait self._note()\nwith hold:\n    pass",
        Rule.UNGUARDED,
        "an await before hold is guarded by its with",
    ),
    (
        "hold, free = self.manager.locks.hold_free_slots((1,))",
        Rule.UNGUARDED,
        "hold is given back by no with",
    ),
    ("await self.manager.locks.manager.acquire()", Rule.BARE, "self.manager.locks.manager.acquire"),
    ("self.gate.lock.release()", Rule.BARE, "self.gate.lock.release"),
    ("self.mine = anyio.Lock()", Rule.FOREIGN, "anyio.Lock"),
    ("from threading import RLock as Own", Rule.FOREIGN, "from threading import RLock as Own"),
    ("self.mine = RankedLock('mine', (5, 0, 0))", Rule.FOREIGN, "RankedLock"),
    ("try:\n    await self._rest()\nexcept:\n    pass", Rule.SWALLOWED, "except:"),
    ("try:\n    await self._rest()\nexcept BaseException:\n    pass", Rule.SWALLOWED, "except BaseException:"),
    (
        "try:\n    await self._rest()\nexcept (ValueError, asyncio.CancelledError):\n    if self.end:\n        raise",
        Rule.SWALLOWED,
        "except (ValueError, asyncio.CancelledError):",
    ),
    (
        "try:\n    await self._rest()\nexcept anyio.get_cancelled_exc_class():\n    pass",
        Rule.SWALLOWED,
        "except anyio.get_cancelled_exc_class():",
    ),
    ("with suppress(BaseException):\n    await self._rest()", Rule.SWALLOWED, "suppress(BaseException)"),
    ("try:\n    await self._rest()\nfinally:\n    return", Rule.SWALLOWED, "finally -> return"),
    ("asyncio.create_task(self._rest())", Rule.LOOSE, "asyncio.create_task"),
    ("asyncio.ensure_future(self._rest())", Rule.LOOSE, "asyncio.ensure_future"),
]
"""Lines of one more method, the one rule they break, and how the finding ends."""


def planted(lines: str) -> Source:
    """The sample with one more method."""
    body = "\n".join(f"        {line}" for line in lines.split("\n"))
    return Source("engine/runtime/planted.py", f"{HEAD}\n    async def planted(self) -> None:\n{body}\n")


def beside_the_engine(source: Source) -> list[Source]:
    """The sample among those of the engine's own files that it uses."""
    used = ("engine/runtime/manager.py", "engine/runtime/coordinator.py", "engine/runtime/journal_gate.py")
    return [*(own for own in python_sources("engine/runtime") if own.path in used), source]


def test_the_engine_keeps_the_lock_hierarchy() -> None:
    """L-01, 023: Each finding names file, line, rule, and the chain of calls that leads to it."""
    found = [str(finding) for finding in lint(python_sources("engine"))]
    assert not found, report(found)


def test_the_lint_sees_the_locks_that_the_engine_takes() -> None:
    """Were the hierarchy the other way round, the engine's own roads would be findings."""
    sources = [
        Source(source.path, source.text.replace("async with self.manager.locks.manager:", "async with self.gate.lock:"))
        for source in python_sources("engine")
    ]
    found = lint(sources)
    assert {finding.rule for finding in found} == {Rule.ORDER}
    assert {finding.chain[0] for finding in found} >= {"GridCoordinator._decide_at", "GridCoordinator.apply_reports"}


def test_the_requests_of_the_port_are_read_from_the_port() -> None:
    assert port_requests() >= {"place", "cancel", "fetch_order", "fetch_open_orders", "fetch_fills", "fetch_balances"}
    assert not port_requests() & {"run", "tell_prices", "name"}


def test_the_sample_itself_keeps_the_hierarchy() -> None:
    """Deciding under the manager lock, journalling under the slots, acting after both."""
    assert lint(beside_the_engine(planted("pass"))) == []


@pytest.mark.parametrize(("lines", "rule", "ending"), PLANTED)
def test_a_planted_defect_is_the_one_finding_with_its_line_and_chain(lines: str, rule: Rule, ending: str) -> None:
    source = planted(lines)
    found = lint(beside_the_engine(source))
    assert [(finding.path, finding.rule) for finding in found] == [(source.path, rule)]
    assert str(found[0]).endswith(ending)
    blamed = source.lines()[found[0].line - 1].strip()
    assert blamed in [line.strip() for line in lines.split("\n")]


@pytest.mark.parametrize(
    "lines",
    [
        "try:\n    await self._rest()\nexcept BaseException:\n    self.end = True\n    raise",
        "try:\n    await self._rest()\nfinally:\n    for one in self.all:\n        break",
        JOURNAL + "await self._journal.commit()",
        "async with anyio.create_task_group() as tasks:\n    tasks.start_soon(self._take_manager)",
        SLOT + "self.tasks.start_soon(self._place, 1)",
        SLOT + "self.executor.place(1)",
        MANAGER + "self.facts.append(1)",
        "with self.manager.locks.hold_free_slots((1,))[0]:\n    pass\n" + MANAGER + "pass",
    ],
)
def test_what_is_allowed_is_not_found(lines: str) -> None:
    """Re-raising, leaving a loop, the disk under slots and journal, handing work to tasks that hold nothing."""
    assert lint(beside_the_engine(planted(lines))) == []


def test_an_inversion_is_found_through_a_function_of_another_file() -> None:
    """And a plain function is looked up where it was imported from, not wherever that name is."""
    helper = Source(
        "engine/runtime/helper.py",
        "async def finish(locks):\n    async with locks.manager:\n        pass\n",
    )
    other = Source("engine/core/other.py", "async def finish(locks):\n    pass\n")
    user = (
        "from engine.{} import finish\n\nclass User:\n    async def use(self):\n        async with self.gate.lock:\n"
        "            await finish(self.locks)\n"
    )
    wrong = Source("engine/runtime/user.py", user.format("runtime.helper"))
    right = Source("engine/runtime/user.py", user.format("core.other"))
    assert list(map(str, lint([helper, other, wrong]))) == [
        "engine/runtime/user.py:6: order: User.use -> finish -> locks.manager, holding journal"
    ]
    assert lint([helper, other, right]) == []
