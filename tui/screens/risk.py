"""The risk screen: what bounds the chosen grid, what blocks it, and the key that lifts a block.

It promises that a block is lifted only after a yes to a question that names it.
"""

from engine.model.commands import LiftBlock
from engine.model.risk import Block, BreakerKind
from tui.bindings import bindings_for
from tui.keys import Scope
from tui.messages import SendCommand
from tui.panes.risk import BlocksListPane, LimitsPane, RefusalsPane, StopsPane
from tui.present.risk_dialogs import lift_lines
from tui.present.words import stage_of
from tui.screens.bounds import BoundsScreen
from tui.screens.confirm import ConfirmScreen
from tui.view import View


class RiskScreen(BoundsScreen):
    """Blocks, limits, stops and refusals of the chosen grid.

    Invariant: ``_selected`` is the kind of one of the shown blocks, or None when there are none.
    """

    BINDINGS = bindings_for(Scope.RISK)

    def __init__(self, view: View) -> None:
        self._blocks = BlocksListPane("risk-blocks")
        rest = StopsPane("risk-stops"), RefusalsPane("risk-refused")
        super().__init__(view, Scope.RISK, [self._blocks, LimitsPane("risk-limits")], rest)
        self._selected: BreakerKind | None = None
        self._at = 0

    def draw(self, view: View) -> None:
        """Show another view; the mark stays on its block, and moves on where that is gone."""
        super().draw(view)
        kinds = [block.kind for block in self._shown]
        if self._selected not in kinds:
            self._selected = kinds[min(self._at, len(kinds) - 1)] if kinds else None
            self.call_after_refresh(self._keep_in_sight)
        self._at = 0 if self._selected is None else kinds.index(self._selected)
        self._blocks.choose(self._selected)

    def _keep_in_sight(self) -> None:
        self.body.scroll_to(y=self._blocks.marked_row, animate=False)

    @property
    def _shown(self) -> tuple[Block, ...]:
        return () if self.view.grid is None else self.view.grid.risk.blocks

    def action_select(self, rows: int) -> None:
        """Mark another block; where there is none to go to, scroll."""
        blocks = self._shown
        at = self._at + rows
        if not 0 <= at < len(blocks):
            self.action_scroll(rows)
            return
        self._at, self._selected = at, blocks[at].kind
        self._blocks.choose(self._selected)
        self._keep_in_sight()

    def action_lift(self) -> None:
        """Lift the marked block, after a yes."""
        engine, grid = self.view.engine, self.view.grid
        block = next((block for block in self._shown if block.kind is self._selected), None)
        if self.view.ended is not None:
            self._say_no("The engine has stopped; nothing can be sent.")
            return
        if engine is None or grid is None or block is None:
            self._say_no("There is no block to lift.")
            return

        def lift_if(is_sure: bool | None) -> None:
            if is_sure:
                self.post_message(SendCommand(LiftBlock(grid=grid.name, kind=block.kind)))

        question = ConfirmScreen(lambda width: lift_lines(stage_of(engine), grid, block, width))
        self.app.push_screen(question, lift_if)

    def _say_no(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)
