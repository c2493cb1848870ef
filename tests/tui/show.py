"""Runs the terminal on scenes, for the tests that need a real terminal: ``python -m tests.tui.show``."""

import anyio

from engine.model.grid import Disposal
from tests import scenes
from tests.tui.clients import SceneClient
from tui.app import show

if __name__ == "__main__":
    raise SystemExit(anyio.run(show, SceneClient(*scenes.walk(), events=scenes.EVENTS), Disposal.LEAVE))
