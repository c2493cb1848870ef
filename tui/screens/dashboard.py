"""The dashboard: everything of one grid on one screen, arranged by what the terminal has room for."""

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen

from engine.model.commands import Command, Freeze, Pause, Resume, SetSpeed, Stop, Thaw
from engine.model.grid import Disposal, GridState
from engine.model.snapshot import GridSnapshot
from tui.bindings import bindings_for
from tui.keys import Scope
from tui.messages import SendCommand
from tui.panes.events import EventsPane
from tui.panes.ladder_pane import LadderPane
from tui.panes.lines import LinesPane
from tui.panes.profit import ProfitPane
from tui.panes.slots import SlotPane
from tui.panes.status import AlertPane, BlocksPane, FooterPane, StatusPane, TabsPane, TinyPane
from tui.present.dialogs import resume_lines
from tui.present.words import Stage, faster, slower, stage_of
from tui.screens.confirm import ConfirmScreen
from tui.screens.details import DetailsScreen
from tui.screens.help import HelpScreen
from tui.screens.reconcile import ReconcileScreen
from tui.screens.regime import RegimeScreen
from tui.screens.risk import RiskScreen
from tui.screens.stop import StopScreen
from tui.view import View


class Dashboard(Screen[None]):
    """Draws views, and turns keys into commands."""

    BINDINGS = bindings_for(Scope.DASHBOARD)
    HORIZONTAL_BREAKPOINTS = [(0, "-thin"), (60, "-narrow"), (104, "-medium"), (180, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-short"), (32, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self.view = View()
        self.ladder_pane = LadderPane("ladder")
        self.ladder = self.ladder_pane.ladder
        self.profit = ProfitPane("profit")
        self.slot = SlotPane("slot")
        self.events = EventsPane("events")
        self._above: tuple[LinesPane, ...] = (StatusPane("status"), TabsPane("tabs"), AlertPane("alerts"))
        self._below: tuple[LinesPane, ...] = (BlocksPane("blocks"), FooterPane("footer"), TinyPane("tiny"))

    def compose(self) -> ComposeResult:
        """All panes; the style sheet arranges them."""
        yield from self._above
        yield Container(self.ladder_pane, self.profit, self.slot, self.events, id="body")
        yield from self._below

    def on_mount(self) -> None:
        """The ladder hears the keys first."""
        self.ladder.focus()
        self.draw(self.view)

    def draw(self, view: View) -> None:
        """Show another view."""
        self.view = view
        for pane in (*self._above, self.profit, self.slot, *self._below):
            pane.draw(view)
        self.ladder_pane.draw(view)
        self.events.mark_stale(is_stale=view.ended is not None)
        self._choose_slot()

    def on_ladder_moved(self) -> None:
        """The slot pane shows what the ladder points at."""
        self._choose_slot()

    def _choose_slot(self) -> None:
        self.slot.choose(self.ladder.shown_slot, is_selected=self.ladder.selected is not None)

    def _grid_to_command(self) -> GridSnapshot | None:
        """The chosen grid, if the engine can still be told something about it; else says why not."""
        if self.view.ended is not None:
            self._say_no("The engine has stopped; nothing can be sent.")
            return None
        if self.view.grid is None:
            self._say_no("The engine is still starting.")
        return self.view.grid

    def _say_no(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    def _send(self, command: Command) -> None:
        self.post_message(SendCommand(command))

    def action_pause(self) -> None:
        """Pause the grid, or let it open again."""
        grid = self._grid_to_command()
        if grid is None:
            return
        match grid.state:
            case GridState.STARTING | GridState.RUNNING | GridState.EXITS_ONLY:
                self._send(Pause(grid=grid.name))
            case GridState.PAUSED:
                self._resume(grid)
            case GridState.HALTED | GridState.STOPPED:
                self._ask_to_resume(grid)
            case GridState.STOPPING:
                self._say_no(f"{grid.name} is stopping; it can be resumed once it has stopped.")

    def _resume(self, grid: GridSnapshot) -> None:
        if self._stage is Stage.SIMULATION:
            self._send(Resume(grid=grid.name))
        else:
            self._ask_to_resume(grid)

    @property
    def _stage(self) -> Stage:
        return stage_of(self.view.engine)

    def _ask_to_resume(self, grid: GridSnapshot) -> None:
        stage = self._stage

        def resume_if(is_sure: bool | None) -> None:
            if is_sure:
                self._send(Resume(grid=grid.name))

        self.app.push_screen(ConfirmScreen(lambda width: resume_lines(stage, grid, width)), resume_if)

    def action_freeze(self) -> None:
        """Freeze the selected slot, or thaw it."""
        grid = self._grid_to_command()
        if grid is None:
            return
        slot = self.ladder.selected_slot
        if slot is None:
            self._say_no("Select a slot first, with the arrows or j and k.")
        elif slot.freeze_reason is None:
            self._send(Freeze(grid=grid.name, slot=slot.index))
        else:
            self._send(Thaw(grid=grid.name, slot=slot.index))

    def action_stop(self) -> None:
        """Ask how to stop the grid."""
        grid = self._grid_to_command()
        if grid is None or self.view.engine is None:
            return
        if grid.state is GridState.STOPPED:
            self._say_no(f"{grid.name} is stopped already.")
            return

        def stop_with(disposal: Disposal | None) -> None:
            if disposal is not None:
                self._send(Stop(grid=grid.name, disposal=disposal))

        self.app.push_screen(StopScreen(self._stage, grid), stop_with)

    def action_faster(self) -> None:
        """Drive the simulated market faster."""
        self._set_speed(1)

    def action_slower(self) -> None:
        """Drive the simulated market slower."""
        self._set_speed(-1)

    def _set_speed(self, direction: int) -> None:
        if self._grid_to_command() is None or self.view.engine is None:
            return
        speed = self.view.engine.speed
        if speed is None:
            self._say_no("Time is real here; only a simulation can be driven faster or slower.")
            return
        wanted = faster(speed) if direction > 0 else slower(speed)
        if wanted == speed:
            self._say_no("This is as fast as it goes." if direction > 0 else "This is as slow as it goes.")
            return
        self._send(SetSpeed(speed=wanted))

    def action_follow(self) -> None:
        """Keep the price in the middle of the ladder again."""
        self.ladder.follow()

    def action_details(self) -> None:
        """Show the slot and the profit in full."""
        if self.view.grid is not None:
            is_selected = self.ladder.selected is not None
            self.app.push_screen(DetailsScreen(self.view, self.ladder.shown_slot, is_selected=is_selected))

    def action_questions(self) -> None:
        """Show what the books and the exchange disagree on; begin with the selected slot's question."""
        self.app.push_screen(ReconcileScreen(self.view, self.ladder.selected))

    def action_market(self) -> None:
        """Show the regime of the market."""
        self.app.push_screen(RegimeScreen(self.view))

    def action_limits(self) -> None:
        """Show limits, stops and blocks."""
        self.app.push_screen(RiskScreen(self.view))

    def action_help(self) -> None:
        """Show the help screen."""
        self.app.push_screen(HelpScreen())

    def action_next_pane(self) -> None:
        """Move the focus on."""
        self.focus_next()
