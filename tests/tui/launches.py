"""An engine that a terminal may have to start, without a process: it remembers what was asked of it."""

import anyio

from engine.model.account import AccountPlan
from engine.model.errors import EngineStopped, SettingsInvalid
from engine.model.snapshot import EngineEvent, EngineSnapshot
from tests.tui.clients import SceneClient


class SceneLaunch(SceneClient):
    """Runs already where ``is_running``; else it answers with its scenes once it was launched and ``let_go``.

    ``plans`` are told one after the other, the last one for ever; a plan that is a problem is raised.
    """

    def __init__(
        self, *scenes: EngineSnapshot, is_running: bool = False, plans: tuple[AccountPlan | SettingsInvalid, ...] = ()
    ) -> None:
        super().__init__(*scenes)
        self.failure: SettingsInvalid | None = None
        self.is_confirmed = False
        self.launches = 0
        self.refusal_to_launch: SettingsInvalid | None = None
        self._is_running = is_running
        self._plans = list(plans)
        self._answers = anyio.Event()
        self._told = anyio.Event()

    async def find(self) -> bool:
        """Whether it runs."""
        if self._is_running:
            self._answers.set()
        return self._is_running

    async def plan(self) -> AccountPlan:
        """The next plan; without one it is asked for ever."""
        if not self._plans:
            await anyio.sleep_forever()
        plan = self._plans.pop(0) if len(self._plans) > 1 else self._plans[0]
        if isinstance(plan, SettingsInvalid):
            raise plan
        return plan

    def confirm(self) -> None:
        """Remember it."""
        self.is_confirmed = True

    def launch(self) -> None:
        """Count it."""
        if self.refusal_to_launch is not None:
            raise self.refusal_to_launch
        self.launches += 1

    async def wait(self) -> None:
        """Until it is let go."""
        await self._told.wait()
        self._answers.set()

    def progress(self) -> str:
        """What it does for ever."""
        return "opening binance: loading its library and its markets"

    def fail(self, failure: SettingsInvalid) -> None:
        """Whoever waits is told."""
        self.failure = failure
        self._answers.set()

    def let_go(self) -> None:
        """It answers from now on."""
        self._told.set()

    async def snapshot(self) -> EngineSnapshot:
        """The next scene, once it answers."""
        await self._answers.wait()
        if self.failure is not None:
            raise EngineStopped("; ".join(self.failure.problems))
        return await super().snapshot()

    async def events(self, after: int, limit: int = 200) -> list[EngineEvent]:
        """None."""
        return []
