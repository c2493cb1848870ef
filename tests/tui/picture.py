"""Draws the README's picture: the real terminal on the real engine, after some hours of its default market.

``python -m tests.tui.picture docs/dashboard.svg``
"""

import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import anyio

from engine import api
from engine.model.commands import SetSpeed
from engine.settings import load_settings
from tui.app import GridwrightApp

MARKET_HOURS = 30
SIZE = (120, 40)


async def draw(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(None, state_dir=Path(folder) / "state")
        settings = replace(settings, simulation=replace(settings.simulation, speed=3600))
        engine = api.embed(settings)
        app = GridwrightApp(engine)
        async with app.run_test(size=SIZE) as pilot:
            start_ms = (await engine.snapshot()).started_ms
            while (await engine.snapshot()).at_ms - start_ms < MARKET_HOURS * 3_600_000:
                await pilot.pause(0.25)
            await engine.send(SetSpeed(speed=60))
            for _ in range(12):
                await pilot.pause(0.25)
            picture = app.export_screenshot(title="Gridwright")
            # The reader's own monospaced font will do; a picture fetches nothing from elsewhere.
            target.write_text(re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL), encoding="utf-8")
        await engine.close()


if __name__ == "__main__":
    anyio.run(draw, Path(sys.argv[1]))
