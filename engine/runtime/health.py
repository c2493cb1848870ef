"""The roster: the engine does not call itself running until every configured part has reported in."""

from dataclasses import replace

import anyio

from engine.model.snapshot import PartView

REPORT_IN_SECONDS_MAX = 30.0


class Roster:
    """The configured parts by name. Enlist all of them first, then start them."""

    def __init__(self) -> None:
        self._parts: dict[str, PartView] = {}
        self._changed = anyio.Event()

    def enlist(self, name: str, detail: str) -> None:
        """Expect a part; ``detail`` says what it is waiting for."""
        self._parts[name] = PartView(name=name, has_reported=False, detail=detail)

    def report_in(self, name: str, detail: str) -> None:
        """A part works. Raises ``KeyError`` for a part that nobody enlisted."""
        self._parts[name] = replace(self._parts[name], has_reported=True, detail=detail)
        self._changed.set()
        self._changed = anyio.Event()

    def parts(self) -> tuple[PartView, ...]:
        return tuple(self._parts.values())

    def missing(self) -> tuple[str, ...]:
        """Parts that have not reported in, each with what it waits for."""
        return tuple(f"{part.name} ({part.detail})" for part in self._parts.values() if not part.has_reported)

    async def wait_complete(self) -> None:
        """Wait until every part has reported in. Raises ``TimeoutError`` after ``REPORT_IN_SECONDS_MAX``."""
        with anyio.fail_after(REPORT_IN_SECONDS_MAX):
            while self.missing():
                await self._changed.wait()
