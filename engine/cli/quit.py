"""``gridwright quit``: end the running engine, in order and by the ``on_exit`` of its configuration."""

from argparse import Namespace

import anyio

from engine.cli.control import state_dir_of, with_engine
from engine.cli.output import DONE, FAILED, is_confirmed, narrate
from engine.model.commands import Shutdown
from engine.model.errors import EngineStopped
from engine.model.grid import Disposal
from engine.model.order import TERMINAL_STATUSES
from engine.model.snapshot import EngineSnapshot, EngineState, Mode
from engine.remote.client import RemoteClient
from engine.runtime.state_dir import holder_of

END_SECONDS_MAX = 90.0
_LOOK_SECONDS = 0.1


def run_quit(options: Namespace) -> int:
    """End the engine, wait until it has ended, and return the exit code.

    A person is asked first where real orders would rest with nobody to watch them.

    Raises:
        SettingsInvalid: it is not confirmed, and there is no terminal to ask on.
        GridwrightError: the engine refused or failed.
    """

    async def look(client: RemoteClient, _: Namespace) -> EngineSnapshot:
        return await client.snapshot()

    snapshot = with_engine(options, look)
    if snapshot is None:
        return FAILED
    effect = _effect(snapshot)
    if effect and not options.yes and not is_confirmed(effect):
        narrate("nothing was done")
        return FAILED
    code = with_engine(options, _end)
    return FAILED if code is None else code


def _effect(snapshot: EngineSnapshot) -> str:
    """What ending it leaves behind; nothing to ask about where that is harmless or cleared away."""
    orders = sum(
        slot.order is not None and slot.order.status not in TERMINAL_STATUSES
        for grid in snapshot.grids
        for slot in grid.slots
    )
    if snapshot.mode is not Mode.LIVE or not orders:
        return ""
    where = f"{orders} orders on {snapshot.exchange_id or snapshot.exchange}"
    match snapshot.on_exit:
        case Disposal.LEAVE:
            return f"the engine ends and leaves {where}: they go on trading, and nobody places their exits"
        case Disposal.CANCEL:
            return f"the engine cancels {where} and ends; what it holds stays held"
        case Disposal.FLATTEN:
            return f"the engine cancels {where}, sells what it holds at the market, and ends"


async def _end(client: RemoteClient, options: Namespace) -> int:
    try:
        narrate((await client.send(Shutdown())).message)
    except EngineStopped:
        narrate("the engine is ending")
    folder = state_dir_of(options)
    with anyio.move_on_after(END_SECONDS_MAX):
        # Not its socket alone: only who has let go of the directory has really ended.
        while await _answers(client) or holder_of(folder) is not None:  # noqa: ASYNC110 - elsewhere
            await anyio.sleep(_LOOK_SECONDS)
        narrate("the engine has ended")
        return DONE
    narrate(f"the engine has not ended within {END_SECONDS_MAX:g} seconds; gridwright events says what it waits for")
    return FAILED


async def _answers(client: RemoteClient) -> bool:
    try:
        return (await client.snapshot()).state is not EngineState.STOPPED
    except EngineStopped:
        return False
