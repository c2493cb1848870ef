"""The question before leaving while a grid is at work."""

from engine.model.grid import Disposal
from engine.model.snapshot import EngineSnapshot
from tui.present.dialogs import leaving_lines
from tui.screens.confirm import ConfirmScreen


class QuitScreen(ConfirmScreen):
    """Says what closing the engine will do with orders and inventory; with None it goes on."""

    def __init__(self, engine: EngineSnapshot, on_exit: Disposal | None) -> None:
        super().__init__(lambda width: leaving_lines(engine, on_exit, width))
