"""The dead man's switch is told often enough, says when it cannot be, and lets go only where it was set."""

from collections.abc import Awaitable, Callable

import anyio
import ccxt

from engine.exchange.foreign.requests.dead_man import DeadManSwitch
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.foreign.desk_bench import Desks, RecordedClient

Script = Callable[[DeadManSwitch, RecordedClient], Awaitable[None]]


def played(script: Script) -> tuple[list[int], list[str]]:
    """What the exchange was told, and what the user was."""
    clock = VirtualClock(start_ms=0)
    client = RecordedClient("okx", cancel_all_orders_after={})
    warnings: list[str] = []
    switch = DeadManSwitch(client, Desks(client).requester, seconds=60, warn=warnings.append)  # type: ignore[arg-type]
    run_on(clock, lambda: script(switch, client))
    return [parts[0] for _, parts in client.asked], warnings


async def ran(switch: DeadManSwitch, seconds: float) -> None:
    with anyio.move_on_after(seconds):
        await switch.run()


def test_it_is_told_four_times_in_each_period() -> None:
    async def script(switch: DeadManSwitch, client: RecordedClient) -> None:
        await ran(switch, 59)

    assert played(script) == ([60_000] * 4, [])


def test_letting_go_says_so_and_only_once() -> None:
    async def script(switch: DeadManSwitch, client: RecordedClient) -> None:
        await ran(switch, 1)
        await switch.disarm()
        await switch.disarm()

    assert played(script) == ([60_000, 0], [])


def test_a_switch_that_was_never_set_is_not_touched() -> None:
    async def script(switch: DeadManSwitch, client: RecordedClient) -> None:
        await switch.disarm()

    assert played(script) == ([], [])


def test_rel_44_the_user_hears_once_that_it_cannot_be_told_and_once_that_it_can() -> None:
    async def script(switch: DeadManSwitch, client: RecordedClient) -> None:
        client._calls["cancel_all_orders_after"] = ccxt.RequestTimeout("slow")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(switch.run)
            await anyio.sleep(40)
            client._calls["cancel_all_orders_after"] = {}
            await anyio.sleep(20)
            tasks.cancel_scope.cancel()

    _, warnings = played(script)
    assert [text.split(":")[0] for text in warnings] == [
        "the dead man's switch cannot be told",
        "the dead man's switch is told again; look which orders are still there",
    ]
