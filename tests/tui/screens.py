"""Running the app in a test: scenes in, text and commands out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from engine.model.grid import Disposal
from engine.model.snapshot import EngineSnapshot
from tests.scenes import EVENTS
from tests.tui.clients import SceneClient
from tui.app import GridwrightApp


def make_app(*shown: EngineSnapshot, on_exit: Disposal = Disposal.LEAVE) -> tuple[GridwrightApp, SceneClient]:
    """An app on a client that shows these scenes."""
    client = SceneClient(*shown, events=EVENTS)
    return GridwrightApp(client, on_exit=on_exit), client


async def show_all(app: GridwrightApp, client: SceneClient) -> None:
    """Poll until the last scene is on the screen."""
    while len(client.scenes) > 1:
        await app.poll()
    await app.poll()


@asynccontextmanager
async def running_app(
    *shown: EngineSnapshot, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[GridwrightApp, SceneClient, Pilot[None]]]:
    """The app with the last scene on its screen."""
    app, client = make_app(*shown)
    async with app.run_test(size=size) as pilot:
        await show_all(app, client)
        await pilot.pause()
        yield app, client, pilot


def screen_rows(app: GridwrightApp) -> list[str]:
    """What the terminal shows, row by row."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def toasts(app: GridwrightApp) -> list[tuple[str, str]]:
    """Severity and text of every message shown so far."""
    return [(note.severity, note.message) for note in app._notifications]
